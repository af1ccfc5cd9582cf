# The configuration: read and checked once, as typed objects.
from snakemake.exceptions import WorkflowError

from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.errors import InputError

# A configuration file replaces the default one whole; nothing is merged.
if not workflow.config_settings.configfiles:

    configfile: str(HOME / "config" / "config.yaml")


# The lock file of the hub's files lies beside the last configuration file.
CONFIG_FILE = Path(os.path.relpath([HOME / "config" / "config.yaml", *workflow.configfiles][-1]))
try:
    # Snakemake names neither a file that is no YAML nor a key that is there twice.
    for path in workflow.config_settings.configfiles or [HOME / "config" / "config.yaml"]:
        read_configfile(os.path.relpath(path))
    CONFIG = resolve_config(config, ", ".join(map(os.path.relpath, workflow.configfiles)) or str(CONFIG_FILE))
except InputError as error:
    raise WorkflowError(str(error))

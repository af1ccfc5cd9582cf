# Which configuration a run has, and that its files can be read.
from finegrid.config.definition import read_configfile
from finegrid.errors import InputError

# Snakemake does not say where a file is no YAML, nor that it drops the first of two equal keys.
try:
    for path in map(os.path.relpath, workflow.config_settings.configfiles or ["config/config.yaml"]):
        read_configfile(path)
except InputError as error:
    sys.exit(f"error: {error}")


# A configuration stands whole: one given by --configfile replaces the default, nothing is merged.
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"

"""A drawing of steps that read from one another: boxes in layers, each below all that it reads from.

Steps are {name: [names of those that it reads from]}. Nothing here knows of HTML: what comes out are positions,
in pixels, for a template.
"""

import itertools
from graphlib import TopologicalSorter
from statistics import mean

BOX = (104, 36)  # width, height
GAP = (16, 30)
BEND_WIDTH = 12  # the place that a line takes where it passes a layer
SWEEPS = 8


def draw(steps: dict[str, list[str]]) -> dict:
    """Return {"width", "height", "boxes": [{"name", "x", "y", "width", "height"}], "lines": [SVG paths]}.

    A line that others imply is left out: where c reads from a and b, and b from a, no line leads from a to c.
    """
    lines = [[source, name] for name, sources in reduced(steps).items() for source in sources]
    layers, lines = with_bends(layers_of(steps), lines)
    untangle(layers, lines)
    width = max(sum(map(slot, layer)) for layer in layers)
    middle, top = {}, {}
    for number, layer in enumerate(layers):
        x = (width - sum(map(slot, layer))) / 2
        for node in layer:
            middle[node], top[node] = x + slot(node) / 2, number * (BOX[1] + GAP[1]) + 1
            x += slot(node)
    return {
        "width": width,
        "height": len(layers) * (BOX[1] + GAP[1]) - GAP[1] + 2,
        "boxes": [
            {"name": name, "x": middle[name] - BOX[0] / 2, "y": top[name], "width": BOX[0], "height": BOX[1]}
            for name in steps
        ],
        "lines": [curve([(middle[node], top[node]) for node in line]) for line in lines],
    }


def ancestors(steps: dict[str, list[str]]) -> dict[str, set[str]]:
    """Return all that each step reads from, directly or not. Raises graphlib.CycleError where there is a circle."""
    found: dict[str, set[str]] = {}
    for name in TopologicalSorter(steps).static_order():
        found[name] = set(steps[name]).union(*(found[source] for source in steps[name]))
    return found


def reduced(steps: dict[str, list[str]]) -> dict[str, list[str]]:
    """Leave out what a step reads from that another of its sources reads from."""
    above = ancestors(steps)
    return {
        name: [source for source in sources if not any(source in above[other] for other in sources)]
        for name, sources in steps.items()
    }


def layers_of(steps: dict[str, list[str]]) -> list[list]:
    """Put each step into the first layer below all that it reads from."""
    depth: dict[str, int] = {}
    for name in TopologicalSorter(steps).static_order():
        depth[name] = 1 + max((depth[source] for source in steps[name]), default=-1)
    return [[name for name in steps if depth[name] == layer] for layer in range(max(depth.values()) + 1)]


def with_bends(layers: list[list], lines: list[list]) -> tuple[list[list], list[list]]:
    """Give a line that passes layers a place in each: (source, name, layer), so that no box is in its way."""
    layers = [list(layer) for layer in layers]
    depth = {node: number for number, layer in enumerate(layers) for node in layer}
    bent = []
    for source, name in lines:
        bends = [(source, name, number) for number in range(depth[source] + 1, depth[name])]
        for bend in bends:
            layers[bend[2]].append(bend)
        bent.append([source, *bends, name])
    return layers, bent


def untangle(layers: list[list], lines: list[list]) -> None:
    """Order the nodes of each layer, in place, by the mean position of their neighbours above, then below, and again.

    The barycenter heuristic of Sugiyama, Tagawa and Toda (1981).
    """
    pairs = [pair for line in lines for pair in itertools.pairwise(line)]
    above = {node: [source for source, target in pairs if target == node] for layer in layers for node in layer}
    below = {node: [target for source, target in pairs if source == node] for layer in layers for node in layer}
    for sweep in range(SWEEPS):
        neighbours = below if sweep % 2 else above
        # From the middle of its layer, as the layers are centred when they are drawn.
        place = {node: index - len(layer) / 2 for layer in layers for index, node in enumerate(layer)}
        for layer in reversed(layers) if sweep % 2 else layers:
            layer.sort(key=lambda node: mean(place[other] for other in neighbours[node] or [node]))
            place.update({node: index - len(layer) / 2 for index, node in enumerate(layer)})


def slot(node) -> int:
    """Return the width that a step or the bend of a line takes in its layer."""
    return (BOX[0] if isinstance(node, str) else BEND_WIDTH) + GAP[0]


def curve(points: list[tuple[float, float]]) -> str:
    """Return an SVG path from the lower edge of the first box past the bends to the upper edge of the last."""
    (x, y), *rest = points
    y += BOX[1]
    path = f"M{x:g} {y:g}"
    for number, (next_x, next_y) in enumerate(rest):
        half = (y + next_y) / 2
        path += f"C{x:g} {half:g} {next_x:g} {half:g} {next_x:g} {next_y:g}"
        x, y = next_x, next_y
        if number < len(rest) - 1:
            y += BOX[1]
            path += f"L{x:g} {y:g}"
    return path

"""Bills of material in CycloneDX 1.6: one of each lock, and one of the servers.

Their packages' hashes are in the locks themselves, which every installation is held to.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component as Part
from cyclonedx.model.component import ComponentType
from cyclonedx.output.json import JsonV1Dot6
from imagerift_local.settings import CHECKOUT
from packageurl import PackageURL

from supply_chain.components import Component, locks, packages, servers


def write(folder: Path) -> list[Path]:
    """Writes the bills into `folder`; the same locks give the same parts and serial numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    bills = {lock.stem: packages(lock) for lock in locks()} | {"servers": servers()}
    written = []
    for name, components in bills.items():
        path = folder / f"{name}.cdx.json"
        path.write_text(JsonV1Dot6(bill(name, components)).output_as_string(indent=2) + "\n")
        written.append(path)
    return written


def bill(name: str, components: Sequence[Component]) -> Bom:
    """The bill of what `imagerift` needs in one lock, or of its servers."""
    version = (CHECKOUT / "VERSION").read_text().strip()
    whole = Part(
        name=f"imagerift-{name}",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"imagerift-{name}@{version}",
    )
    parts = [_part(component) for component in components]
    bom = Bom(components=parts, serial_number=_serial_number(name, components))
    bom.metadata.component = whole
    bom.register_dependency(whole, parts)
    return bom


def _part(component: Component) -> Part:
    of_python = component.ecosystem == "PyPI"
    kind = "pypi" if of_python else "generic"
    name = component.name.lower().replace(" ", "-")
    return Part(
        name=component.name,
        version=component.version,
        type=ComponentType.LIBRARY if of_python else ComponentType.APPLICATION,
        purl=PackageURL(kind, name=name, version=component.version),
        bom_ref=f"{name}@{component.version} {component.where}",
        properties=[Property(name="imagerift:where", value=component.where)],
    )


def _serial_number(name: str, components: Sequence[Component]) -> uuid.UUID:
    content = "\n".join([name, *map(str, components)])
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://imagerift.dev/sbom/{content}")

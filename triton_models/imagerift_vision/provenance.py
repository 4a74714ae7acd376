"""Metadata of an output: seed, preset, mode and models. Never the prompt."""

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from imagerift_vision.requests import ModelVersion
from imagerift_vision.subject_proof import SubjectProof

NAMESPACE = "https://imagerift.dev/ns/provenance/1.0/"
# IPTC's term for a picture made of a captured subject and synthetic elements.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic"


@dataclass(frozen=True)
class Provenance:
    """How one output was made."""

    mode: str
    preset: str | None
    seed: int
    models: tuple[ModelVersion, ...]
    proof: SubjectProof | None = None
    """That the subject's own pixels are in it."""

    def as_text(self) -> dict[str, str]:
        """PNG text chunks, by keyword."""
        return {
            "Software": "ImageRift",
            "imagerift:mode": self.mode,
            "imagerift:preset": self.preset or "",
            "imagerift:seed": str(self.seed),
            "imagerift:models": self._models(),
            **{f"imagerift:{name}": value for name, value in self._subject().items()},
        }

    def as_xmp(self) -> bytes:
        """An XMP packet with the same facts."""
        models = "".join(
            f"<rdf:li>{escape(model.name)} {escape(model.version)}</rdf:li>"
            for model in self.models
        )
        subject = "".join(
            f" imagerift:{name}={quoteattr(value)}" for name, value in self._subject().items()
        )
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about=""'
            ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
            ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
            f" xmlns:imagerift={quoteattr(NAMESPACE)}"
            ' xmp:CreatorTool="ImageRift"'
            f" Iptc4xmpExt:DigitalSourceType={quoteattr(SOURCE_TYPE)}"
            f" imagerift:mode={quoteattr(self.mode)}"
            f" imagerift:preset={quoteattr(self.preset or '')}"
            f' imagerift:seed="{self.seed}"{subject}>'
            f"<imagerift:models><rdf:Seq>{models}</rdf:Seq></imagerift:models>"
            "</rdf:Description></rdf:RDF></x:xmpmeta>"
            '<?xpacket end="r"?>'
        ).encode()

    def _subject(self) -> dict[str, str]:
        """What was proven of the subject, where anything was."""
        if self.proof is None:
            return {}
        told = self.proof.as_dict()
        return {
            "subject": "kept",
            "subjectDifference": f"{told['difference']:g}/255",
            "subjectCompared": f"{told['share']:g}",
        }

    def _models(self) -> str:
        return ", ".join(f"{model.name} {model.version}" for model in self.models)

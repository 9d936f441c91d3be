"""The smallest files of one paragraph, whose content a test writes as XML."""

from tests.support.file_samples import SAMPLES, with_part

_SPACES = ("office", "text", "style", "drawing")
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
ODT = "".join(f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in _SPACES)
ODT_STYLES = "".join(
    f'<style:style style:name="{name}" style:family="text"><style:text-properties style:text-position="{position}"/>'
    "</style:style>"
    for name, position in (("UP", "super 58%"), ("DOWN", "sub"), ("HIGH", "33% 58%"), ("FLAT", "0% 100%"))
)


def word(content: str) -> bytes:
    xml = f"<w:document {W}><w:body><w:p>{content}</w:p></w:body></w:document>"
    return with_part(SAMPLES["a.docx"], "word/document.xml", xml.encode())


def word_run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def open_document(content: str) -> bytes:
    xml = (
        f"<office:document-content{ODT}><office:automatic-styles>{ODT_STYLES}</office:automatic-styles><office:body>"
        f"<office:text><text:p>{content}</text:p></office:text></office:body></office:document-content>"
    )
    return with_part(SAMPLES["a.odt"], "content.xml", xml.encode())


def slides(content: str) -> bytes:
    xml = (
        '<p:sld xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
        f'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><a:p>{content}</a:p></p:sld>'
    )
    return with_part(SAMPLES["a.pptx"], "ppt/slides/slide1.xml", xml.encode())


def slide_run(text: str, attributes: str = "") -> str:
    return f"<a:r><a:rPr {attributes}/><a:t>{text}</a:t></a:r>"


def book(content: str) -> bytes:
    xml = (
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops">'
        f"<body><p>{content}</p></body></html>"
    )
    return with_part(SAMPLES["a.epub"], "EPUB/nav.xhtml", xml.encode())


def units(content: str, version: str = "1.2") -> bytes:
    space = f"urn:oasis:names:tc:xliff:document:{version}"
    if version == "2.0":
        unit = f'<unit id="u"><segment><source>{content}</source></segment></unit>'
        return f'<xliff version="2.0" xmlns="{space}" srcLang="en"><file id="f">{unit}</file></xliff>'.encode()
    unit = f'<trans-unit id="u"><source>{content}</source></trans-unit>'
    head = '<file original="a" source-language="en" datatype="plaintext"><body>'
    return f'<xliff version="1.2" xmlns="{space}">{head}{unit}</body></file></xliff>'.encode()

"""A row of pictures to leaf through on a page, with a slider and no help from the network.

Matplotlib's own animations fetch their buttons from a server. Here everything is in the page:
the frames as PNG images inside the HTML, a slider of the browser's own, and three lines of script.
Without script the last frame is shown.
"""

import base64
import html
import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

DPI = 80
COLOURS = 48


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as a PNG with a small palette; the figure is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    plt.close(figure)
    small = io.BytesIO()
    image = Image.open(buffer).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def flipbook(
    frames: Sequence[bytes], labels: Sequence[str], alt: str, *, name: str, slider: str
) -> str:
    """HTML of frames with a slider below them, for ``IPython.display.HTML``.

    Args:
        frames: PNG images of one size.
        labels: what each frame is, shown beside the slider.
        alt: text alternative of the pictures.
        name: an identifier that is unique on the page, letters, digits and hyphens.
        slider: what the slider sets, for its label.

    Raises:
        ValueError: if there are no frames, not as many labels, or the name is no identifier.
    """
    if not frames or len(frames) != len(labels):
        raise ValueError(f"{len(frames)} frames and {len(labels)} labels: give one for each")
    if not name.replace("-", "").isalnum() or not name[0].isalpha():
        raise ValueError(f"name {name!r}: use letters, digits and hyphens, a letter first")
    sources = [f"data:image/png;base64,{base64.b64encode(f).decode()}" for f in frames]
    last = len(frames) - 1
    texts = [html.escape(label) for label in labels]
    rest = "".join(
        f'<img src="{source}" alt="{html.escape(alt)} {text}" '
        f'style="max-width:100%;height:auto;background-color:#fff;'
        f'display:{"block" if k == last else "none"}">'
        for k, (source, text) in enumerate(zip(sources, texts, strict=True))
    )
    shown = "".join(
        f'<span style="display:{"inline" if k == last else "none"}">{text}</span>'
        for k, text in enumerate(texts)
    )
    act = (
        "const k=this.value,b=this.closest('[data-flipbook]');"
        "for(const row of b.querySelectorAll('[data-row]'))"
        "[...row.children].forEach((e,i)=>e.style.display=i==k?(row.dataset.row):'none');"
        "this.setAttribute('aria-valuetext',b.querySelector('output').children[k].textContent)"
    )
    return (
        f'<div data-flipbook id="{name}" style="max-width:34rem">'
        f'<div data-row="block">{rest}</div>'
        f'<label for="{name}-slider">{html.escape(slider)}</label> '
        f'<output for="{name}-slider" data-row="inline">{shown}</output>'
        f'<input type="range" id="{name}-slider" min="0" max="{last}" value="{last}" step="1" '
        f'aria-valuetext="{texts[last]}" '
        f'oninput="{html.escape(act)}" style="width:100%;display:block"></div>'
    )

"""A page that tells how a classifier did: one HTML file, nothing to load from elsewhere.

The figures are inline SVG and take their colours from the page's style sheet, so they follow the
reader's light or dark theme.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from tricorn.atomic import writing

_STYLE = """
:root { color-scheme: light dark; --page: #f7f6f3; --card: #ffffff; --ink: #1d1c1a; --soft: #5f5c56;
  --line: #e3e1db; --one: #2a6fcf; --two: #d9730d; --hit: 42 111 207; --miss: 208 62 48; }
@media (prefers-color-scheme: dark) { :root { --page: #161615; --card: #201f1e; --ink: #f0eeea;
  --soft: #a9a59d; --line: #3a3835; --one: #6aa5f5; --two: #f0994a; --hit: 106 165 245;
  --miss: 240 110 96; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 36px 0 4px; }
p { margin: 0 0 14px; color: var(--soft); max-width: 70ch; }
.tiles, .row { display: grid; gap: 14px; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); margin-top: 24px; }
.row { grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 16px; }
.tiles b { display: block; font-size: 26px; line-height: 1.2; font-weight: 650; }
.tiles span { color: var(--soft); font-size: 13px; }
.digits { display: grid; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); gap: 12px; }
.digits figure { margin: 0; padding: 10px; text-align: center; }
.digits figcaption { font-size: 12.5px; color: var(--soft); line-height: 1.35; margin-top: 6px; }
.digits b { font-size: 15px; color: var(--ink); }
.digits .wrong { border-color: rgb(var(--miss)); }
.digits .wrong b { color: rgb(var(--miss)); }
pre { overflow-x: auto; margin: 0; font: 11.5px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
svg { display: block; width: 100%; height: auto; font-family: inherit; }
svg text { fill: var(--soft); font-size: 12px; }
svg .name { fill: var(--ink); font-size: 14px; font-weight: 600; }
svg path.grid { stroke: var(--line); stroke-width: 1; } svg .ink { fill: var(--ink); }
svg .one { stroke: var(--one); } svg .two { stroke: var(--two); }
svg text.one { fill: var(--one); stroke: none; } svg text.two { fill: var(--two); stroke: none; }
svg path { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg circle { stroke-width: 2; fill: var(--card); }
svg .cell text { font-size: 13px; } svg .miss text { fill: var(--ink); font-weight: 600; }
svg .strong text { fill: #ffffff; font-weight: 600; }
@media (prefers-color-scheme: dark) { svg .strong text { fill: #10100f; } }
footer { margin-top: 40px; font-size: 13px; color: var(--soft); }
"""


def line_chart(title: str, series: Mapping[str, Sequence[float]], percent: bool = False) -> str:
    """An SVG of up to two curves over the epochs, each named at its end.

    Args:
        title: what the curves show.
        series: name → one value an epoch; values that are not finite leave a gap.
        percent: whether values are shares, to be shown as per cent.
    """
    width, height, left, right, top, bottom = 460, 270, 44, 76, 34, 44
    values = [value for curve in series.values() for value in curve if math.isfinite(value)]
    low, high, step = _ticks(min(values, default=0.0), max(values, default=1.0), percent)
    count = max((len(curve) for curve in series.values()), default=1)

    def across(epoch: float) -> float:
        return left + (width - left - right) * epoch / max(1, count - 1)

    def down(value: float) -> float:
        return top + (height - top - bottom) * (high - value) / (high - low)

    parts = [_text(0, 14, title, kind="name")]
    for index in range(round((high - low) / step) + 1):
        value = low + index * step
        label = f"{value * 100:.{0 if step >= 0.01 else 1}f}%" if percent else f"{value:g}"
        y = down(value)
        x = width - right
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{x}"/>')
        parts.append(_text(left - 8, y + 4, label, "end"))
    every = max(1, math.ceil(count / 8))
    for epoch in range(0, count, every):
        parts.append(_text(across(epoch), height - 26, epoch + 1, "middle"))
    parts.append(_text(across((count - 1) / 2), height - 6, "epoch", "middle"))

    ends = []
    for kind, (name, curve) in zip(("one", "two"), series.items(), strict=False):
        points = [
            f"{across(at):.1f} {down(value):.1f}" if math.isfinite(value) else ""
            for at, value in enumerate(curve)
        ]
        joined = "".join(
            f"{'L' if epoch and points[epoch - 1] else 'M'}{point}"
            for epoch, point in enumerate(points)
            if point
        )
        parts.append(f'<path class="{kind}" d="{joined}"/>')
        for epoch, (point, value) in enumerate(zip(points, curve, strict=True)):
            if point:
                cx, cy = point.split()
                shown = f"{value * 100:.2f}%" if percent else f"{value:.4f}"
                parts.append(
                    f'<circle class="{kind}" cx="{cx}" cy="{cy}" r="3">'
                    f"<title>{escape(name)}, epoch {epoch + 1}: {shown}</title></circle>"
                )
        if points and points[-1]:
            ends.append((down(curve[-1]), kind, name))
    above = math.inf
    for y, kind, name in sorted(ends, reverse=True):
        above = min(y, above - 15)  # names of curves that end close together stay apart
        parts.append(_text(width - right + 8, above + 4, name, kind=kind))
    return _svg(width, height, title, parts)


def _ticks(low: float, high: float, percent: bool) -> tuple[float, float, float]:
    """Round bounds around the values, and a round step between them."""
    if not percent:
        low = min(low, 0.0)
    span = max(high - low, 1e-9 if percent else abs(high) * 1e-3, 1e-6)
    step = 10 ** math.floor(math.log10(span))
    step *= next(f for f in (0.2, 0.5, 1, 2, 5) if span / (step * f) <= 5.5)
    first, last = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return first, max(last, first + step), step


def confusion_figure(matrix: np.ndarray) -> str:
    """An SVG of a confusion matrix: rows the true classes, columns the answers.

    Args:
        matrix: counts `(classes, classes)`.
    """
    count, size, left, top = len(matrix), 40, 62, 54
    width, height = left + count * size + 8, top + count * size + 8
    centre = count * size / 2
    turned = _text(0, 0, "the digit", "middle")
    parts = [
        _text(left + centre, 14, "the network's answer", "middle"),
        f'<g transform="translate(14 {top + centre}) rotate(-90)">{turned}</g>',
    ]
    for index in range(count):
        middle = index * size + size / 2
        parts.append(_text(left + middle, top - 12, index, "middle", "name"))
        parts.append(_text(left - 14, top + middle + 5, index, "middle", "name"))
    for row, counts in enumerate(matrix):
        total = max(1, int(counts.sum()))
        for column, number in enumerate(counts):
            share, hit = number / total, row == column
            # a single mistake must be seen: its colour starts well above nothing
            shade = (0.12 + 0.88 * share) if hit else min(1.0, 0.25 + 4 * share)
            fill = f"rgb(var(--{'hit' if hit else 'miss'}) / {shade if number else 0.04:.2f})"
            x, y = left + column * size, top + row * size
            kind = "" if not number else "miss" if not hit else "strong" if shade > 0.55 else ""
            label = _text(x + size / 2, y + size / 2 + 5, number, "middle")
            parts.append(
                f'<g class="cell {kind}"><rect x="{x + 1}" y="{y + 1}" width="{size - 2}" '
                f'height="{size - 2}" rx="5" style="fill: {fill}"/>{label if number else ""}'
                f"<title>{number} of {total} times a {row} was read as {column}</title></g>"
            )
    return _svg(width, height, "confusion matrix", parts)


def digit_figure(image: np.ndarray, truth: int, guess: int, confidence: float) -> str:
    """An HTML figure of one digit: its pixels, the answer, how sure the network was.

    Args:
        image: ink `(rows, columns)`, 0 for none; scaled by its largest value.
        truth, guess: the digit, and the network's answer.
        confidence: the answer's probability.
    """
    rows, columns = image.shape
    ink = np.asarray(image, float) / max(1e-9, float(np.max(image)))
    pixels = [
        f'<rect class="ink" x="{x}" y="{y}" width="1.02" height="1.02" opacity="{ink[y, x]:.2f}"/>'
        for y, x in np.argwhere(ink > 0)
    ]
    wrong = truth != guess
    said = f"<b>{guess}</b> {confidence:.0%}" + (f"<br>it is a {truth}" if wrong else "")
    name = f"a {truth}, read as {guess}"
    figure = _svg(columns, rows, name, pixels)
    kind = "card wrong" if wrong else "card"
    return f'<figure class="{kind}">{figure}<figcaption>{said}</figcaption></figure>'


def _text(x: float, y: float, text: object, anchor: str = "start", kind: str = "") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(str(text))}</text>"
    )


def _svg(width: float, height: float, name: str, parts: Iterable[str]) -> str:
    label = escape(name, quote=True)
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def write_report(
    path: str | os.PathLike[str],
    title: str,
    lead: str,
    facts: Mapping[str, str],
    history: Mapping[str, Sequence[float]],
    images: np.ndarray,
    truth: np.ndarray,
    probabilities: np.ndarray,
    matrix: np.ndarray,
    summary: str,
    shown: int = 24,
) -> None:
    """Write the page.

    Args:
        path: the HTML file to write.
        title, lead: the heading, and a sentence below it.
        facts: what is counted → the figure, shown large.
        history: metric → one value an epoch, with ``loss``, ``accuracy`` and their ``val_`` kin.
        images: the held-out digits `(n, rows, columns)`.
        truth: their classes `(n,)`.
        probabilities: the network's answers `(n, classes)`.
        matrix: the confusion matrix `(classes, classes)`.
        summary: the model's summary as text.
        shown: how many digits that were read right to draw; of those read wrong all are drawn.
    """
    guess = probabilities.argmax(1)
    sure = probabilities.max(1)

    def digits(chosen: np.ndarray) -> str:
        figures = (digit_figure(images[i], int(truth[i]), int(guess[i]), sure[i]) for i in chosen)
        return f'<div class="digits">{"".join(figures)}</div>'

    def curves(title: str, name: str, percent: bool) -> str:
        series = {"training": history[name], "validation": history[f"val_{name}"]}
        return f'<div class="card">{line_chart(title, series, percent)}</div>'

    wrong, right = np.flatnonzero(guess != truth), np.flatnonzero(guess == truth)
    least_sure = right[np.argsort(sure[right])[: shown // 2]]
    others = np.setdiff1d(right, least_sure)[: shown - len(least_sure)]
    tiles = "".join(
        f'<div class="card"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value in facts.items()
    )
    mistakes = digits(wrong) if len(wrong) else "<p>None.</p>"
    body = f"""<h1>{escape(title)}</h1><p>{escape(lead)}</p><div class="tiles">{tiles}</div>
<h2>Learning</h2>
<p>Training is measured while the weights still move and with dropout on, validation after each
epoch with dropout off; so validation may look the better of the two.</p>
<div class="row">{curves("Loss", "loss", False)}{curves("Accuracy", "accuracy", True)}</div>
<h2>Where it errs</h2>
<p>Each row holds the held-out digits of one kind; the column is what the network took them for.</p>
<div class="row"><div class="card">{confusion_figure(matrix)}</div>
<div class="card"><pre>{escape(summary)}</pre></div></div>
<h2>Read wrong ({len(wrong)})</h2>
<p>The large figure is the answer, beside it how sure the network was.</p>{mistakes}
<h2>Read right (some of {len(right)})</h2>
<p>First those it was least sure of.</p>{digits(np.concatenate([least_sure, others]))}
<footer>Digits: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository, CC BY 4.0.</footer>"""
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )
    with writing(path, "w", encoding="utf-8") as file:
        file.write(page)

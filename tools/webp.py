"""Sphinx extension that stores the pages' pictures as WebP: the same pixels, half the size."""

from PIL import Image
from sphinx.transforms.post_transforms.images import ImageConverter


def setup(app):
    """Store them so in HTML, and in nothing else."""
    app.add_post_transform(WebPictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class WebPictures(ImageConverter):
    """Put the WebP in place of each PNG."""

    formats = ("html",)

    def match(self, node):
        """Whether a picture is a PNG."""
        return node["uri"].endswith(".png")

    def get_conversion_rule(self, node):
        """Name both formats; Sphinx would only convert what the pages could not show."""
        return "image/png", "image/webp"

    def convert(self, _from, _to):
        """Convert a file."""
        with Image.open(_from) as picture:
            picture.save(_to, lossless=True)
        return True

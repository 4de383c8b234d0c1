"""DICOM images and masks: what is read of them, and what is said where that cannot be."""

import shlex
import sys

import numpy as np
import pytest
from PIL import Image

from layouts import IDS, pair
from segsweep.data import dicom
from segsweep.data.folder import Folder
from segsweep.data.modes import mode_of
from segsweep.data.raster import decode
from segsweep.data.source import Sample
from segsweep.data.work_size import memory_bytes
from segsweep.errors import DataError

pydicom = pytest.importorskip("pydicom")
UIDS = pydicom.uid


def write(path, values, *, syntax=UIDS.ExplicitVRLittleEndian, frames=1, used=None, **elements):
    """Write stored values, (H, W) or (H, W, 3) or with frames before, as a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = pydicom.dataset.FileMetaDataset()
    packed = syntax == UIDS.RLELossless
    meta.TransferSyntaxUID = UIDS.ExplicitVRLittleEndian if packed else syntax
    meta.MediaStorageSOPClassUID = UIDS.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UIDS.generate_uid()
    item = pydicom.Dataset()
    item.file_meta = meta
    item.SOPClassUID = meta.MediaStorageSOPClassUID
    shape = values.shape[1:] if frames > 1 else values.shape
    item.Rows, item.Columns = shape[:2]
    item.SamplesPerPixel = shape[2] if len(shape) == 3 else 1
    item.PhotometricInterpretation = "RGB" if len(shape) == 3 else "MONOCHROME2"
    item.BitsAllocated = 8 * values.itemsize
    item.BitsStored = used or item.BitsAllocated
    item.HighBit = item.BitsStored - 1
    item.PixelRepresentation = int(values.dtype.kind == "i")
    item.PlanarConfiguration = 0
    if frames > 1:
        item.NumberOfFrames = frames
    item.PixelData = values.tobytes()
    for key, value in elements.items():
        setattr(item, key, value)
    item["PixelData"].VR = "OB" if values.itemsize == 1 or syntax.is_encapsulated else "OW"
    if packed:
        item.compress(syntax)
    item.save_as(path, enforce_file_format=True)
    return path


def read(folder, image, mask=None, *, options=None, **elements):
    """Write an image and its mask, and return what `Folder` reads."""
    write(folder / "i/a.dcm", image, **elements)
    if mask is None:
        mask = np.eye(*image.shape[-2:], dtype=np.uint8) * 255
    write(folder / "m/a.dcm", mask)
    source = Folder(folder / "i", folder / "m", **(options or {}))
    (sample,), problems = source.find()

    assert problems == []
    return source.read(sample)


GREY = np.arange(4096, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize("syntax", [UIDS.ExplicitVRLittleEndian, UIDS.RLELossless])
def test_grey_values_are_those_stored(tmp_path, syntax):
    """Slope, intercept and window are not applied; the mask is by the half rule."""
    given = {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": 9, "WindowWidth": 3}
    pixels = read(tmp_path, GREY, used=12, syntax=syntax, **given)

    np.testing.assert_array_equal(pixels.image, np.stack([GREY] * 3, axis=2))
    np.testing.assert_array_equal(pixels.mask, np.eye(64, dtype=bool))
    assert pixels.brightest == 4095


def test_monochrome1_is_inverted_within_its_bits(tmp_path):
    """The largest value that 12 bits hold becomes 0; with a range the shown values count."""
    given = {"used": 12, "PhotometricInterpretation": "MONOCHROME1"}
    plain = read(tmp_path, GREY, **given)
    ranged = read(tmp_path, GREY, options={"range": [0, 4095]}, **given)

    np.testing.assert_array_equal(plain.image[..., 0], 4095 - GREY)
    np.testing.assert_allclose(ranged.image[..., 0], (4095.0 - GREY) / 4095 * 65535, atol=1)


def test_negative_values_need_a_range(tmp_path):
    """As of a CT image; the message names the key."""
    values = (GREY.astype(np.int16) - 1024).astype(np.int16)
    with pytest.raises(DataError, match=r"values out of range: -1024 to 3071.*data\.range"):
        read(tmp_path, values)
    pixels = read(tmp_path, values, options={"range": [-1024, 3071]})

    np.testing.assert_allclose(pixels.image[..., 1], GREY / 4095 * 65535, atol=1)


def test_colours(tmp_path):
    """RGB in 8 bits."""
    image = pair(2)[0]

    np.testing.assert_array_equal(
        read(tmp_path, image, 255 * np.eye(32, dtype=np.uint8)).image, image
    )


def test_frames_are_pages(tmp_path):
    """Refused until data.page names one."""
    frames = np.stack([GREY, GREY[::-1]])
    with pytest.raises(DataError, match=r"has 2 pages: name the one to read, data\.page=1"):
        read(tmp_path, frames, frames=2, mask=np.eye(64, dtype=np.uint8) * 255)
    pixels = read(
        tmp_path, frames, frames=2, mask=np.eye(64, dtype=np.uint8) * 255, options={"page": 2}
    )

    np.testing.assert_array_equal(pixels.image[..., 0], GREY[::-1])


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "unsupported kind of DICOM: PALETTE"),
        ({"syntax": UIDS.JPEGLSLossless}, r"compressed as JPEG-LS.*pip install 'pylibjpeg\[all\]'"),
    ],
)
def test_what_cannot_be_read_is_explained(tmp_path, monkeypatch, elements, message):
    """A kind that has no meaning here; a compression without a decoder."""
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    if "syntax" in elements:
        elements = elements | {"PixelData": pydicom.encaps.encapsulate([b"\0\0"])}
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, GREY, **elements)

    assert "\n" not in str(caught.value)


def test_other_objects_and_damage_are_one_line(tmp_path):
    """A report without an image, half a file, and an ending that is not true."""
    whole = write(tmp_path / "a.dcm", GREY).read_bytes()
    item = pydicom.dcmread(tmp_path / "a.dcm")
    del item["Rows"]
    item.save_as(tmp_path / "b.dcm")
    (tmp_path / "c.dcm").write_bytes(whole[:3000])
    (tmp_path / "d.dcm").write_bytes(b"no image")
    for name, message in (
        ("b.dcm", "no image in this DICOM file, which is of the kind Secondary Capture"),
        ("c.dcm", "truncated or damaged"),
        ("d.dcm", "not an image"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            decode(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_without_pydicom_one_line_says_what_to_install(tmp_path, monkeypatch):
    """For the data set, and for a file."""
    path = write(tmp_path / "i/a.dcm", GREY)
    write(tmp_path / "m/a.dcm", GREY)
    monkeypatch.setattr(dicom.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"a\.dcm: DICOM files need pydicom: pip install 'segswee"):
        Folder(tmp_path / "i", tmp_path / "m").find()
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DataError, match=r"pip install 'segsweep\[dicom\]'"):
        decode(path)


def test_originals_beside_images_are_left_out(tmp_path):
    """A folder that was read before DICOM was known is read the same; alone they count."""
    for folder in "im":
        for name in ("a.png", "a.dcm", "lone.dcm"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).touch()
    samples, problems = Folder(tmp_path / "i", tmp_path / "m").find()

    assert [one.image.name for one in samples] == ["a.png"]
    assert problems == []
    named = Folder(tmp_path / "i", tmp_path / "m", image_name="{id}.dcm", unmatched="skip")
    assert [one.image.name for one in named.find()[0]] == ["a.dcm"]


def test_images_with_masks_of_another_kind_beside_them(tmp_path):
    """Without a pattern for images."""
    write(tmp_path / "a.dcm", GREY)
    Image.new("L", (64, 64)).save(tmp_path / "a_mask.png")
    (sample,), problems = Folder(tmp_path, mask_name="{id}_mask.png").find()

    assert (sample.image.name, problems) == ("a.dcm", [])


def test_modes_and_work_are_told_from_the_head(tmp_path):
    """What `segsweep data` prints, and the memory that decoding takes."""
    path = write(tmp_path / "a.dcm", GREY, used=12)
    colour = write(tmp_path / "b.dcm", pair(1)[0])
    sample = Sample("a", "a", path, path)

    assert mode_of(path) == "grey 16 bits (DICOM MONOCHROME2, 12 used)"
    assert mode_of(colour) == "RGB (DICOM RGB)"
    assert memory_bytes(sample, (8, 8), "area") < 64 * 64 * 100


def test_rescaling_that_differs_is_said(tmp_path):
    """Stored values of two scanners do not mean the same."""
    paths = [
        write(tmp_path / f"{number}.dcm", GREY, RescaleSlope=1, RescaleIntercept=-number)
        for number in (0, 1024)
    ]
    same, differ = (dicom.rescale_text(dicom.rescales(one)) for one in (paths[1:], paths))

    assert same.endswith("not applied (1, -1024)")
    assert "they differ: 2 pairs, 1, -1024 to 1, 0; " in differ


def test_a_folder_of_dicom_files_is_found(tmp_path, segsweep):
    """A folder a case; the line names the range of 12 bits, and reads without a warning."""
    for index, name in enumerate(IDS):
        image, mask = pair(index)
        deep = image[..., 0].astype(np.uint16) * 16
        write(tmp_path / f"d/{name}/slice.dcm", deep, used=12, RescaleIntercept=-1024)
        write(tmp_path / f"d/{name}/label.dcm", np.minimum(mask, 1))
    code, out, error = segsweep("data", "d")
    (line,) = [one for one in out.splitlines() if one.startswith("to train: ")]

    assert code == 0, error
    assert "images: 12 grey 16 bits (DICOM MONOCHROME2, 12 used)" in out
    assert "window are not applied (1, -1024)" in out
    assert "warning" not in out
    assert shlex.split(line)[5:] == [
        *("data.images=d", 'data.image_name="{id}/slice.dcm"'),
        *('data.mask_name="{id}/label.dcm"', "data.range=[0,4095]", "data.foreground=[1]"),
        "trainer.batch=3",
    ]

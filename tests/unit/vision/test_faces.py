"""Faces are found where they are, upright or tilted, and nowhere else."""

import numpy as np
import pytest
from imagerift_vision.faces import LEFT_EYE, MOUTH, RIGHT_EYE, FaceFinder
from odd_images import portrait, scene
from PIL import Image


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def middle(points: np.ndarray) -> np.ndarray:
    return points.mean(axis=0)


@pytest.mark.parametrize("angle", [-20, 0, 20])
def test_a_face_is_found_with_eyes_over_the_mouth(finder: FaceFinder, angle: int) -> None:
    picture = portrait().rotate(angle, Image.Resampling.BICUBIC, fillcolor=(160, 150, 150))
    [face] = finder.find(np.asarray(picture))
    left, right = middle(face.contour(LEFT_EYE)), middle(face.contour(RIGHT_EYE))
    mouth = middle(face.contour(MOUTH))
    # The person's left eye is on the picture's right.
    assert left[0] > right[0]
    assert mouth[1] > max(left[1], right[1])
    tilt = np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0]))
    assert tilt == pytest.approx(-angle, abs=8)


def test_two_people_are_two_faces(finder: FaceFinder) -> None:
    one = portrait().crop((60, 0, 360, 320))
    both = Image.new("RGB", (600, 320))
    both.paste(one, (0, 0))
    both.paste(one.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (300, 0))
    faces = finder.find(np.asarray(both))
    assert sorted(face.box[0] < 300 for face in faces) == [False, True]


def test_a_small_face_in_a_large_picture_is_found(finder: FaceFinder) -> None:
    street = Image.new("RGB", (1200, 900), (140, 150, 160))
    street.paste(portrait().resize((240, 160)), (860, 60))
    [face] = finder.find(np.asarray(street))
    assert 860 < face.box[0] < face.box[2] < 1100


@pytest.mark.parametrize("picture", [scene(), Image.new("RGB", (64, 64)), scene().resize((16, 16))])
def test_no_face_is_no_face(finder: FaceFinder, picture: Image.Image) -> None:
    assert finder.find(np.asarray(picture)) == ()

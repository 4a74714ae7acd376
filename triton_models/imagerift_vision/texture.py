"""Texture and structure for places that a picture does not show, put together from what it shows.

At a small scale the known part grows outwards pixel by pixel: each new pixel looks for the place
that fits its surroundings best, among all there are (Efros and Leung 1999). Then all patches that
lie over the new parts search again, and each pixel takes the colour on which the patches over it
agree (Wexler et al. 2007). Finer scales follow what was found, and search only near it
(PatchMatch: Barnes et al. 2009). Nothing is random but the search, and that is seeded.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.control import Guard

Float = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

SEED = 7_919
# Long edge at which every place is compared with every other, and the rounds of agreeing there.
COARSE_EDGE, COARSE_ROUNDS = 112, 3
# Long edges at which only the surroundings of what was found are searched.
FINE_EDGES = (224, 448)
# A patch is so many pixels more to each side.
REACH = 3
# What is made up is believed so much less with each pixel away from what is known.
FADE = 1.15
# Colours, and how rough the full-size texture is: colour alone would take smooth places for all.
CHANNELS = 4
ROUGHNESS_WEIGHT = 4.0
LITTLE_TRUST = 0.02
SEAM_REACH = 2
UNLIKE = 0.004
LEAST_SOURCES = 60
# A place near the subject that is darker than this share of what is away from it lies in shadow.
SHADOW_BELOW = 0.6
# Patches compared at once: bounds the memory.
BLOCK = 512
SHIFTS = [(y, x) for y in range(-REACH, REACH + 1) for x in range(-REACH, REACH + 1)]


def completed(picture: Float, unknown: Mask, forbidden: Mask, shaded: Mask, guard: Guard) -> Float:
    """[h, w, 3], 0 to 1, with its unknown pixels [h, w] filled from the others.

    Nothing is taken from `forbidden`. Nothing in `shaded` is continued, nor taken where it is dark.
    Where too little is permitted, what `picture` holds in the unknown places stays. Raises
    VisionError `canceled` or `timeout` between rounds.
    """
    rng = np.random.default_rng(SEED)
    looks = np.dstack([picture, _roughness(picture)])
    level = _Level.of(looks, unknown, forbidden, shaded, COARSE_EDGE)
    if len(level.sources) < LEAST_SOURCES:
        return picture
    level.grow(guard)
    for _ in range(COARSE_ROUNDS):
        guard.check()
        level.match = level.searched_everywhere()
        level.agree()
    for edge in FINE_EDGES:
        if edge > max(unknown.shape):
            break
        finer = _Level.of(looks, unknown, forbidden, shaded, edge)
        finer.follow(level, rng)
        guard.check()
        finer.agree()
        finer.search_nearby(rng)
        finer.agree()
        level = finer
    guard.check()
    return _at_full_size(picture, unknown, level.field(), guard)


@dataclass
class _Level:
    """The picture at one scale."""

    picture: Float
    """[h, w, 4]: colours and roughness."""
    hidden: Mask
    allowed: Mask
    """Centres of patches that lie on known, permitted pixels alone."""
    sources: Ints
    """[s, 2]: row and column of each of them."""
    places: Ints
    """[n, 2]: centres of the patches that reach into what is hidden."""
    dim: Mask
    """Known pixels that are not to be continued."""
    trust: Float
    """[h, w]: how far a pixel's colour is believed."""
    match: Ints
    """[n, 2]: the source of each place."""

    @classmethod
    def of(
        cls, picture: Float, unknown: Mask, forbidden: Mask, shaded: Mask, edge: int
    ) -> "_Level":
        """The picture at a long edge of that many pixels, or its own."""
        height, width = unknown.shape
        scale = min(1.0, edge / max(height, width))
        size = (max(8, round(width * scale)), max(8, round(height * scale)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        hidden, closed, dim = (
            cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > least
            for mask, least in ((unknown, 0.01), (forbidden, 0.2), (shaded, 0.5))
        )
        window = np.ones((2 * REACH + 1,) * 2, np.uint8)
        dim &= ~hidden
        allowed = _centres(~(hidden | closed | (dim & _dark(small, hidden | dim))), window)
        active = cv2.dilate(hidden.astype(np.uint8), window).astype(bool)
        far = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, 5)
        places = np.argwhere(active)
        trust = np.where(dim, LITTLE_TRUST, FADE ** -far.astype(np.float32))
        trust = trust.astype(np.float32)
        return cls(small, hidden, allowed, np.argwhere(allowed), places, dim, trust, places.copy())

    def grow(self, guard: Guard) -> None:
        """Fill what is hidden from the known part outwards, a ring of pixels at a time."""
        candidates = _patches(self.picture, self.sources)
        ring_of = np.ones((3, 3), np.uint8)
        empty = self.hidden.copy()
        while empty.any():
            guard.check()
            firm = ~empty & ~self.dim
            if not firm.any():
                firm = ~empty
            ring = np.argwhere(cv2.dilate(firm.astype(np.uint8), ring_of).astype(bool) & empty)
            best = _nearest(self.picture, self.trust * firm, ring, candidates)
            spots = tuple(ring.T)
            self.picture[spots] = self.picture[tuple(self.sources[best].T)]
            empty[spots] = False

    def searched_everywhere(self) -> Ints:
        """The best source of each place."""
        candidates = _patches(self.picture, self.sources)
        return self.sources[_nearest(self.picture, self.trust, self.places, candidates)]

    def follow(self, coarse: "_Level", rng: np.random.Generator) -> None:
        """Take over a coarser level's matches; any source where one is none here."""
        height, width = self.hidden.shape
        wanted = np.rint(_enlarged(coarse.field(), width, height)[tuple(self.places.T)])
        self.match = self.sources[rng.integers(0, len(self.sources), len(self.places))]
        offered = wanted.astype(np.int64)
        fits = self._permits(offered)
        self.match[fits] = offered[fits]

    def field(self) -> Float:
        """[h, w, 2]: where each pixel's colour comes from, itself where it is known."""
        height, width = self.hidden.shape
        field = _grid(height, width)
        field[tuple(self.places.T)] = self.match
        return field

    def search_nearby(self, rng: np.random.Generator) -> None:
        """Try each neighbour's source, shifted, and some around the own one."""
        cost = self._cost(np.arange(len(self.places)), self.match)
        limits = np.array(self.hidden.shape) - 1
        for shift in ((1, 0), (-1, 0), (0, 1), (0, -1), (4, 0), (-4, 0), (0, 4), (0, -4)):
            field = self.field().astype(np.int64)
            neighbours = np.clip(self.places + shift, 0, limits)
            self._keep_better(cost, field[tuple(neighbours.T)] - (neighbours - self.places))
        for radius in (6.0, 2.0):
            jump = rng.uniform(-radius, radius, self.match.shape)
            self._keep_better(cost, self.match + np.rint(jump).astype(np.int64))

    def agree(self) -> None:
        """Give each hidden pixel the colour on which the patches over it agree."""
        height, width = self.hidden.shape
        cost = self._cost(np.arange(len(self.places)), self.match)
        typical = max(float(np.percentile(cost, 50)), 1e-6)
        quality = np.zeros((height, width), np.float32)
        quality[tuple(self.places.T)] = np.exp(-cost / typical) + 1e-4
        quality *= self.trust
        field = self.field().astype(np.int64)
        pixels = np.argwhere(self.hidden)
        total = np.zeros((len(pixels), CHANNELS), np.float32)
        weights = np.zeros(len(pixels), np.float32)
        limits = np.array(self.hidden.shape) - 1
        for shift in SHIFTS:
            voters = pixels + shift
            inside = ((voters >= 0) & (voters <= limits)).all(axis=1)
            voters = np.clip(voters, 0, limits)
            source = np.clip(field[tuple(voters.T)] - shift, 0, limits)
            weight = quality[tuple(voters.T)] * inside
            total += self.picture[tuple(source.T)] * weight[:, None]
            weights += weight
        self.picture[tuple(pixels.T)] = total / weights[:, None]

    def _permits(self, offered: Ints) -> Mask:
        inside = ((offered >= 0) & (offered < self.hidden.shape)).all(axis=1)
        nearest = np.clip(offered, 0, np.array(self.hidden.shape) - 1)
        permitted: Mask = inside & self.allowed[tuple(nearest.T)]
        return permitted

    def _keep_better(self, cost: Float, offered: Ints) -> None:
        asked = np.flatnonzero(self._permits(offered) & (offered != self.match).any(axis=1))
        found = self._cost(asked, offered[asked])
        better = found < cost[asked]
        self.match[asked[better]] = offered[asked[better]]
        cost[asked[better]] = found[better]

    def _cost(self, asked: Ints, match: Ints) -> Float:
        """Distance of the patches, weighed by how far each pixel is believed."""
        limits = np.array(self.hidden.shape) - 1
        total = np.zeros(len(asked), np.float32)
        weights = np.full(len(asked), 1e-6, np.float32)
        for shift in SHIFTS:
            near = tuple(np.clip(self.places[asked] + shift, 0, limits).T)
            apart = self.picture[near] - self.picture[tuple((match + shift).T)]
            weight = self.trust[near]
            total += weight * np.einsum("ij,ij->i", apart, apart)
            weights += weight
        return total / weights


def _dark(looks: Float, apart: Mask) -> Mask:
    """Where it is darker than usual in the part of the picture that is not `apart`."""
    light = cv2.GaussianBlur(looks[..., :3].mean(axis=2), (0, 0), 2)
    usual = float(np.median(light[~apart])) if not apart.all() else 0.0
    darker: Mask = light < SHADOW_BELOW * usual
    return darker


def _centres(usable: Mask, window: NDArray[np.uint8]) -> Mask:
    """Where a whole patch is usable. Beyond the canvas nothing is."""
    padded = np.pad(usable, 1).astype(np.uint8)
    centres: Mask = cv2.erode(padded, window)[1:-1, 1:-1].astype(bool)
    return centres


def _roughness(picture: Float) -> Float:
    """[h, w]: local contrast of the finest detail, weighed for comparing it as a colour."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    sigma = max(1.0, max(grey.shape) / 250)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), sigma)
    contrast: Float = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 2 * sigma))
    return contrast * ROUGHNESS_WEIGHT


def _patches(picture: Float, centres: Ints) -> Float:
    """[n, k, c]: the patches around the centres, which lie inside the picture."""
    return np.stack([picture[tuple((centres + shift).T)] for shift in SHIFTS], axis=1)


def _nearest(picture: Float, weights: Float, places: Ints, candidates: Float) -> Ints:
    """For each place the index of the candidate patch that fits best, pixels weighed."""
    flat = candidates.reshape(len(candidates), -1)
    squares = (candidates * candidates).sum(axis=2)
    limits = np.array(weights.shape) - 1
    found = []
    for start in range(0, len(places), BLOCK):
        block = places[start : start + BLOCK]
        near = np.stack([block + shift for shift in SHIFTS], axis=1)
        inside = ((near >= 0) & (near <= limits)).all(axis=2)
        spots = tuple(np.clip(near, 0, limits).transpose(2, 0, 1))
        weight = (weights[spots] * inside).astype(np.float32)
        wanted = (picture[spots] * weight[..., None]).reshape(len(block), -1)
        # sum w (a - b)^2 without the part that is the same for all candidates.
        distance = weight @ squares.T - 2 * (wanted @ flat.T)
        found.append(distance.argmin(axis=1))
    return np.concatenate(found)


def _grid(height: int, width: int) -> Float:
    """[h, w, 2]: each place's own row and column."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([rows, columns], axis=-1)


def _enlarged(field: Float, width: int, height: int) -> Float:
    """A field of source places at another scale; offsets, not places, are carried over."""
    high, wide = field.shape[:2]
    offsets = field - _grid(high, wide)
    ratio = np.array([height / high, width / wide], np.float32)
    # Nearest: between two sources lies no third one.
    larger = cv2.resize(offsets, (width, height), interpolation=cv2.INTER_NEAREST) * ratio
    places: Float = larger + _grid(height, width)
    return places


def _at_full_size(picture: Float, unknown: Mask, field: Float, guard: Guard) -> Float:
    """Copy full-size pixels along the field, blended over the seams between its pieces."""
    height, width = unknown.shape
    step = max(1, round(max(height, width) / max(field.shape[:2])))
    here = _grid(height, width)
    offsets = np.rint(_enlarged(field, width, height)) - here
    known = (~unknown).astype(np.float32)
    filled = picture
    for sharp in (False, True):
        total = np.zeros_like(picture)
        weights = np.full(unknown.shape, 1e-6, np.float32)
        reach = range(-SEAM_REACH, SEAM_REACH + 1)
        for down, across in ((y, x) for y in reach for x in reach):
            guard.check()
            moved = cv2.warpAffine(
                offsets,
                np.array([[1, 0, across * step], [0, 1, down * step]], np.float32),
                (width, height),
                flags=cv2.INTER_NEAREST,
                borderMode=cv2.BORDER_REPLICATE,
            )
            x, y = here[..., 1] + moved[..., 1], here[..., 0] + moved[..., 0]
            taken = cv2.remap(picture, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            weight = cv2.remap(known, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
            weight = weight * np.float32(np.exp(-(down * down + across * across) / 1.5))
            if sharp:
                # Between unlike votes the mean would be a blur: it goes to the nearest ones.
                apart = ((taken - filled) ** 2).sum(axis=2)
                weight = weight * np.exp(-apart / UNLIKE) + weight * np.float32(1e-4)
            total += taken * weight[..., None]
            weights += weight
        filled = total / weights[..., None]
    whole: Float = np.where((unknown & (weights > 1e-5))[..., None], filled, picture)
    return whole.astype(np.float32)

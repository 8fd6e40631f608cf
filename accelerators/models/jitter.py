"""Integer quantile tables of run-time spread, equal on every machine."""

from __future__ import annotations

from decimal import Context, Decimal
from functools import cache

# Quantiles of the standard normal at (2 i + 1) / 202 for i = 51..100, times a million, rounded:
# `statistics.NormalDist().inv_cdf`, kept as integers because its `log` may differ in the last bit
# from one C library to another. The lower half mirrors them; the middle one is 0.
_NORMAL_PPM = (
    24_821,
    49_657,
    74_523,
    99_436,
    124_411,
    149_463,
    174_610,
    199_868,
    225_253,
    250_785,
    276_482,
    302_362,
    328_446,
    354_756,
    381_314,
    408_144,
    435_270,
    462_721,
    490_525,
    518_714,
    547_321,
    576_383,
    605_940,
    636_037,
    666_721,
    698_046,
    730_071,
    762_864,
    796_498,
    831_058,
    866_641,
    903_357,
    941_332,
    980_716,
    1_021_684,
    1_064_442,
    1_109_240,
    1_156_382,
    1_206_246,
    1_259_303,
    1_316_165,
    1_377_632,
    1_444_797,
    1_519_197,
    1_603_108,
    1_700_117,
    1_816_414,
    1_964_217,
    2_174_029,
    2_579_268,
)
_PPM = 1_000_000
# More digits than the answer needs; `Decimal.exp` is correctly rounded, so all machines agree.
_CONTEXT = Context(prec=30)


@cache
def lognormal_ppm(sigma_ppm: int) -> tuple[int, ...]:
    """Quantiles of a log-normal factor around a median of one.

    Args:
        sigma_ppm: Standard deviation of the factor's logarithm, in parts per million, not negative.

    Returns:
        101 factors in parts per million, ascending, at the probabilities (2 i + 1) / 202; the
        middle one is 1,000,000. Tails beyond 0.5 % and 99.5 % are cut off.

    Raises:
        ValueError: `sigma_ppm` is negative.
    """
    if sigma_ppm < 0:
        msg = f"sigma_ppm must not be negative: {sigma_ppm}"
        raise ValueError(msg)
    normal = (*(-value for value in reversed(_NORMAL_PPM)), 0, *_NORMAL_PPM)
    return tuple(_factor_ppm(sigma_ppm * value) for value in normal)


def _factor_ppm(exponent: int) -> int:
    """exp(exponent / 1e12) in parts per million, rounded half even."""
    factor = _CONTEXT.exp(Decimal(exponent).scaleb(-12, _CONTEXT))
    return int(_CONTEXT.to_integral_value(_CONTEXT.multiply(factor, Decimal(_PPM))))

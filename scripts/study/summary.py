"""summary.py GATES: how many gates of each kind failed, passed, or could not tell, with exact
95 % bounds (Clopper and Pearson) on the part that failed."""

import sys
from collections import Counter
from math import comb


def at_least(count, of, p):
    return sum(comb(of, k) * p**k * (1 - p) ** (of - k) for k in range(count, of + 1))


def solve(rises, low=0.0, high=1.0):
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rises(middle) else (middle, high)
    return (low + high) / 2


def bounds(count, of):
    low = 0.0 if count == 0 else solve(lambda p: at_least(count, of, p) >= 0.025)
    high = 1.0 if count == of else solve(lambda p: 1 - at_least(count + 1, of, p) <= 0.025)
    return low, high


rows = [line.split("\t") for line in open(sys.argv[1]).read().splitlines()]
wanted = {
    "same": "alarms without a change, of a handler",
    "service": "alarms without a change, of the service",
    "slower": "caught of 20 ms + 2 ms",
    "query": "caught of one query more for each list",
}
for kind, words in wanted.items():
    ends = Counter(int(code) for name, _, code in rows if name == kind)
    of, failed = sum(ends.values()), ends[5] + ends[6]
    if not of:
        continue
    low, high = bounds(failed, of)
    print(
        f"{words}: {failed} of N = {of}, 95 %: {100 * low:.1f} to {100 * high:.1f} %"
        f" (passed {ends[0]}, could not tell {ends[8]})"
    )

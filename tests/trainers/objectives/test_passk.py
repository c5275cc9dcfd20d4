"""pass@k credit: against all k-subsets, against the evaluation's pass@k, and its expected gradient by enumeration."""

import functools
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics.counts import pass_at_k
from evalsuite.metrics.reduce import parse_metric
from evalsuite.trainers.objectives.advantages import advantages
from evalsuite.trainers.objectives.passk import best_of, marginal, subset_advantages

numbers = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(-2, 2))


@st.composite
def groups(draw, least=1):
    reward = draw(st.lists(numbers, min_size=least, max_size=7))
    return reward, draw(st.integers(least, len(reward)))


def applied(function, reward, k):
    group, where = torch.zeros(len(reward), dtype=torch.long), torch.ones(len(reward), dtype=torch.bool)
    return function(torch.tensor(reward, dtype=torch.float64), group, where, k)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def others(reward, i):
    return reward[:i] + reward[i + 1 :]


@given(groups())
def test_best_of_is_the_mean_over_subsets_that_hold_the_sample(case):
    reward, k = case
    want = [
        mean(max((reward[i], *rest)) for rest in itertools.combinations(others(reward, i), k - 1)) for i in range(len(reward))
    ]
    torch.testing.assert_close(applied(best_of, reward, k), torch.tensor(want, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@given(groups())
def test_the_mean_is_the_mean_over_all_subsets(case):
    reward, k = case
    want = mean(max(subset) for subset in itertools.combinations(reward, k))
    assert float(applied(best_of, reward, k).mean()) == pytest.approx(want, abs=1e-12)


@given(groups(least=2))
def test_marginal_is_what_the_sample_adds_to_the_others(case):
    reward, k = case
    want = [
        mean(max(0.0, reward[i] - max(rest)) for rest in itertools.combinations(others(reward, i), k - 1))
        for i in range(len(reward))
    ]
    got = applied(marginal, reward, k)
    torch.testing.assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=1e-12, atol=1e-12)
    assert (got >= 0).all()


@given(st.integers(1, 64), st.data())
def test_the_mean_is_the_pass_at_k_that_evaluation_reports(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    scores = data.draw(st.permutations([1.0] * c + [0.0] * (n - c)))
    got = float(applied(best_of, scores, k).mean())
    assert got == pytest.approx(pass_at_k(n, c, k), abs=1e-12)
    assert got == pytest.approx(parse_metric(f"pass@{k}").per_question(scores), abs=1e-12)


def test_binary_rewards_by_hand():
    """n = 5, c = 2, k = 3: a right sample is worth 1, a wrong one pass@2 of (4, 2) = 5/6; marginally 1 - pass@2 of (4, 1) = 1/2 and 0."""
    reward = [0.0, 1.0, 0.0, 1.0, 0.0]
    torch.testing.assert_close(applied(best_of, reward, 3), torch.tensor([5 / 6, 1, 5 / 6, 1, 5 / 6], dtype=torch.float64))
    assert applied(marginal, reward, 3).tolist() == [0.0, 0.5, 0.0, 0.5, 0.0]


def test_k_1_is_the_reward_to_the_last_bit():
    reward = torch.rand(16, generator=torch.Generator().manual_seed(0))
    group, where = torch.arange(16) // 4, torch.ones(16, dtype=torch.bool)
    assert torch.equal(best_of(reward, group, where, 1), reward)


@given(groups())
def test_equal_rewards_are_worth_exactly_the_same(case):
    """Else a group without signal would seem to have some."""
    reward, k = case
    got = applied(best_of, reward, k).tolist()
    assert all(a == b for (a, x), (b, y) in itertools.combinations(zip(got, reward, strict=True), 2) if x == y)
    assert set(applied(best_of, [1.0] * len(reward), k).tolist()) == {1.0}


@given(st.integers(2, 10), st.data())
def test_analytical_advantages_of_pass_at_k_training(n, data):
    """The paper's closed form: (1 - p)/sigma for right ones, (1 - p - C(w-1, k-1)/C(n-1, k-1))/sigma for wrong ones."""
    k, c = data.draw(st.integers(1, n)), data.draw(st.integers(0, n))
    p = pass_at_k(n, c, k)
    sigma = (p * (1 - p)) ** 0.5
    got = applied(subset_advantages, [1.0] * c + [0.0] * (n - c), k)
    if sigma == 0:
        assert got.tolist() == [0.0] * n
        return
    missed = 1 - pass_at_k(n - 1, c, k - 1) if k > 1 else 1.0
    want = [(1 - p) / sigma] * c + [(1 - p - missed) / sigma] * (n - c)
    torch.testing.assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=1e-4, atol=1e-9)


def test_at_k_1_the_analytical_advantages_are_grpo_with_n_in_the_deviation():
    reward = torch.tensor([0.0, 1, 1, 0.3, 0.5, 0.5], dtype=torch.float64)
    group, where = torch.arange(6) // 3, torch.ones(6, dtype=torch.bool)
    want = advantages(reward, group, where, ddof=0, eps=1e-6)
    torch.testing.assert_close(subset_advantages(reward, group, where, 1), want, rtol=1e-12, atol=1e-12)


def test_standardising_undoes_pass_at_k_for_binary_rewards():
    """Why the recipe does not divide by the group's deviation of R."""
    reward = torch.tensor([1.0, 0, 0, 0, 0, 0, 1, 0], dtype=torch.float64)
    group, where = torch.zeros(8, dtype=torch.long), torch.ones(8, dtype=torch.bool)
    grpo = advantages(reward, group, where, eps=0.0)
    for k in range(2, 7):
        torch.testing.assert_close(advantages(best_of(reward, group, where, k), group, where, eps=0.0), grpo)


@pytest.mark.parametrize(("values", "n", "k"), [((0.0, 1.0), 4, 2), ((0.0, 0.3, 1.0), 4, 3), ((0.0, 0.3, 1.0), 3, 3)])
def test_the_expected_gradient_is_that_of_max_at_k(values, n, k):
    """A policy over few outcomes; all groups of n it can sample, weighted by their probability. No sampling, no tolerance to speak of.

    The group's mean as baseline shrinks it by 1 - k/n, the mean of the others by (n - k)/(n - 1): the docstring's claims.
    """
    g = torch.tensor(values, dtype=torch.float64)
    theta = torch.linspace(-0.4, 0.5, len(values), dtype=torch.float64).requires_grad_()
    chance = theta.softmax(0)
    subsets = list(itertools.product(range(len(values)), repeat=k))
    objective = sum(chance[list(s)].prod() * g[list(s)].max() for s in subsets)
    (truth,) = torch.autograd.grad(objective, theta, retain_graph=True)
    group, where = torch.zeros(n, dtype=torch.long), torch.ones(n, dtype=torch.bool)

    def expected(credit):
        logp, total = theta.log_softmax(0), 0.0
        for drawn in map(list, itertools.product(range(len(values)), repeat=n)):
            weight = logp[drawn].sum().exp().detach()
            total = total + weight * k / n * (credit(g[drawn]) * logp[drawn]).sum()
        return torch.autograd.grad(total, theta)[0]

    def rewards(r):
        return best_of(r, group, where, k)

    def centred(r, baseline):
        return advantages(rewards(r), group, where, baseline=baseline, scale="none")

    close = functools.partial(torch.testing.assert_close, rtol=1e-12, atol=1e-14)
    close(expected(rewards), truth)
    close(expected(lambda r: marginal(r, group, where, k)), truth)
    close(expected(lambda r: centred(r, "mean")), truth * (1 - k / n))
    close(expected(lambda r: centred(r, "leave_one_out")), truth * (n - k) / (n - 1))


REWARD = torch.tensor([0.0, float("nan"), 1.0, 0.5, 7.0, 1.0])
GROUP = torch.tensor([4, 4, 4, 4, 1, 1])
WHERE = torch.tensor([True, False, True, True, False, True])


@pytest.mark.parametrize("function", [marginal, subset_advantages])
def test_groups_and_rows_that_do_not_count(function):
    """Group 4 has three rows that count, group 1 one: too few for k = 2. NaN and strangers change nothing."""
    got = function(REWARD, GROUP, WHERE, 2)
    assert got[[1, 4, 5]].tolist() == [0.0] * 3
    torch.testing.assert_close(got[[0, 2, 3]], applied(function, [0.0, 1.0, 0.5], 2).float())


def test_best_of_groups_and_rows_that_do_not_count():
    """What was not scored stays so; where there are not k, the best of those there are."""
    got = best_of(REWARD, GROUP, WHERE, 2)
    torch.testing.assert_close(got, torch.tensor([0.75, float("nan"), 1.0, 0.75, 7.0, 1.0]), equal_nan=True)


def test_impossible_k():
    for function in (best_of, subset_advantages):
        with pytest.raises(ValueError, match="at least 1"):
            applied(function, [0.0, 1.0], 0)
    with pytest.raises(ValueError, match="at least 2"):
        applied(marginal, [0.0, 1.0], 1)

package money_test

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/platform/money"
)

func TestRatesAreReadExactly(t *testing.T) {
	t.Parallel()
	for text, ppm := range map[string]money.Rate{
		"19%": 190_000, "19 %": 190_000, "0.19": 190_000, "8.875%": 88_750, "0.08875": 88_750, "0.2": 200_000,
		"0": 0, "0%": 0, "1": 1_000_000, "100%": 1_000_000, "0.0001%": 1, "1000%": money.MaxRate, "0.190000000": 190_000,
	} {
		rate, err := money.ParseRate(text)
		require.NoError(t, err, text)
		require.Equal(t, ppm, rate, text)
	}
	for _, text := range []string{
		"", "%", " %", "19%%", "% 19", "-1%", "-0.1", "1000.0001%", "10.000001", "0.00001%", "0.0000001", "1e-2", "1/3",
		"19,5%", "99999999999999999999%", "nineteen",
	} {
		_, err := money.ParseRate(text)
		require.ErrorIs(t, err, money.ErrBadAmount, "%q", text)
	}
	require.Equal(t, money.Rate(190_000), money.BasisPoints(1900))
}

func TestRateIsTextInJSON(t *testing.T) {
	t.Parallel()
	for rate, text := range map[money.Rate]string{88_750: `"8.875%"`, 0: `"0%"`, 1_000_000: `"100%"`, 1: `"0.0001%"`} {
		data, err := json.Marshal(rate)
		require.NoError(t, err)
		require.Equal(t, text, string(data))
		var back money.Rate
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, rate, back)
	}
	var rate money.Rate
	require.ErrorIs(t, json.Unmarshal([]byte(`"a lot"`), &rate), money.ErrBadAmount)
}

func TestHalvesRoundAwayFromZero(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount int64
		rate   string
		want   int64
	}{
		{1999, "19%", 380}, // 379.81
		{50, "1%", 1},      // 0.5
		{-50, "1%", -1},
		{49, "1%", 0},
		{150, "1%", 2}, // 1.5
		{250, "1%", 3}, // 2.5
		{1000, "8.875%", 89},
		{1000, "0", 0},
		{math.MaxInt64, "100%", math.MaxInt64},
		{math.MinInt64, "100%", math.MinInt64},
	} {
		rate, err := money.ParseRate(c.rate)
		require.NoError(t, err)
		got, err := usd(c.amount).Portion(rate)
		require.NoError(t, err)
		require.Equal(t, usd(c.want), got, "%s of %d", c.rate, c.amount)
	}
	_, err := usd(math.MaxInt64).Portion(money.MaxRate)
	require.ErrorIs(t, err, money.ErrOverflow)
	_, err = usd(math.MinInt64).Portion(money.Rate(1_000_001))
	require.ErrorIs(t, err, money.ErrOverflow)
	_, err = usd(math.MaxInt64).Portion(money.Rate(math.MaxInt64))
	require.ErrorIs(t, err, money.ErrOverflow)
	_, err = usd(1).Included(money.Rate(-1_000_000))
	require.ErrorIs(t, err, money.ErrOverflow)
}

func TestTaxAddedIsTheTaxIncludedInTheSum(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		net := usd(rapid.Int64Range(0, math.MaxInt64/11).Draw(t, "net"))
		rate := money.Rate(rapid.Int64Range(0, int64(money.MaxRate)).Draw(t, "rate"))
		tax, err := net.Portion(rate)
		require.NoError(t, err)
		gross, err := net.Add(tax)
		require.NoError(t, err)
		included, err := gross.Included(rate)
		require.NoError(t, err)
		// Rounding twice moves it by less than one minor unit.
		require.InDelta(t, 0, included.Amount-tax.Amount, 1)
	})
}

func TestPortionAndIncludedAgreeWithFractions(t *testing.T) {
	t.Parallel()
	// nearest gives n/d to the nearest whole number, halves away from zero.
	nearest := func(n, d *big.Int) *big.Int {
		twice := new(big.Int).Abs(n)
		twice.Lsh(twice, 1).Add(twice, d)
		twice.Quo(twice, new(big.Int).Lsh(d, 1))
		if n.Sign() < 0 {
			twice.Neg(twice)
		}
		return twice
	}
	rapid.Check(t, func(t *rapid.T) {
		amount := amounts().Draw(t, "amount")
		rate := rapid.Int64Range(0, int64(money.MaxRate)).Draw(t, "rate")
		product := new(big.Int).Mul(big.NewInt(amount), big.NewInt(rate))

		portion, err := usd(amount).Portion(money.Rate(rate))
		requireExact(t, nearest(product, big.NewInt(1_000_000)), portion, err)
		included, err := usd(amount).Included(money.Rate(rate))
		requireExact(t, nearest(product, big.NewInt(1_000_000+rate)), included, err)
	})
}

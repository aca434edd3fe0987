package money_test

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/platform/errs"
	"stoa/platform/money"
)

func usd(amount int64) money.Money { return money.Money{Amount: amount, Currency: "USD"} }

// amounts draws any int64, small and extreme ones often.
func amounts() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64(),
		rapid.Int64Range(-10_000, 10_000),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64}),
	)
}

// requireExact holds a result against the same in numbers without bounds: it
// is right where it fits, and an overflow where it does not.
func requireExact(t require.TestingT, want *big.Int, got money.Money, err error) {
	if want.IsInt64() {
		require.NoError(t, err)
		require.Equal(t, usd(want.Int64()), got)
		return
	}
	require.ErrorIs(t, err, money.ErrOverflow)
	require.Equal(t, errs.Invalid, errs.KindOf(err))
}

func TestArithmeticIsExactOrAnOverflow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := amounts().Draw(t, "a"), amounts().Draw(t, "b")
		x, y := big.NewInt(a), big.NewInt(b)

		sum, err := usd(a).Add(usd(b))
		requireExact(t, new(big.Int).Add(x, y), sum, err)
		difference, err := usd(a).Sub(usd(b))
		requireExact(t, new(big.Int).Sub(x, y), difference, err)
		product, err := usd(a).Mul(b)
		requireExact(t, new(big.Int).Mul(x, y), product, err)

		order, err := usd(a).Compare(usd(b))
		require.NoError(t, err)
		require.Equal(t, x.Cmp(y), order)
	})
}

func TestSumStopsAtTheFirstOverflow(t *testing.T) {
	t.Parallel()
	total, err := money.Sum("USD")
	require.NoError(t, err)
	require.Equal(t, usd(0), total)

	total, err = money.Sum("USD", usd(1999), usd(-999), usd(1))
	require.NoError(t, err)
	require.Equal(t, usd(1001), total)

	_, err = money.Sum("USD", usd(math.MaxInt64), usd(1), usd(-1))
	require.ErrorIs(t, err, money.ErrOverflow)
	_, err = money.Sum("USD", money.Money{Amount: 1, Currency: "EUR"})
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
}

func TestCurrenciesDoNotMix(t *testing.T) {
	t.Parallel()
	euro := money.Money{Amount: 1, Currency: "EUR"}
	_, err := usd(1).Add(euro)
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
	_, err = usd(1).Sub(euro)
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
	_, err = usd(1).Compare(euro)
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
	require.Equal(t, errs.Invalid, errs.KindOf(err))
}

func TestOnlyCurrenciesInUseWithMinorUnitsAreKnown(t *testing.T) {
	t.Parallel()
	for code, digits := range map[string]int{"JPY": 0, "USD": 2, "EUR": 2, "KWD": 3, "CLF": 4, "UYW": 4, "MRU": 2} {
		n, ok := money.MinorUnits(code)
		require.True(t, ok, code)
		require.Equal(t, digits, n, code)
		m, err := money.New(1, code)
		require.NoError(t, err)
		require.NoError(t, m.Check())
	}
	// Lower case, withdrawn, without minor units, nothing at all.
	for _, code := range []string{"usd", "DEM", "XAU", "XXX", "XTS", "", "US", "USDX", "ZZZ", "No universal currency"} {
		require.False(t, money.ValidCurrency(code), code)
		_, err := money.New(1, code)
		require.ErrorIs(t, err, money.ErrUnknownCurrency)
		_, err = money.Parse("1", code)
		require.ErrorIs(t, err, money.ErrUnknownCurrency)
		require.ErrorIs(t, money.Money{Currency: code}.Check(), money.ErrUnknownCurrency)
	}
}

func TestJSONIsAmountAndCurrency(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(usd(1999))
	require.NoError(t, err)
	require.Equal(t, `{"amount":1999,"currency":"USD"}`, string(data))
	var m money.Money
	require.NoError(t, json.Unmarshal(data, &m))
	require.Equal(t, usd(1999), m)
}

package money_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/platform/money"
)

func TestParseIsExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, currency string
		amount         int64
	}{
		{"50", "USD", 5000},
		{"19.99", "USD", 1999},
		{"9.9", "USD", 990},
		{"9.9000", "USD", 990},
		{"0", "USD", 0},
		{"-0", "USD", 0},
		{"-0.05", "USD", -5},
		{"007.50", "USD", 750},
		{"50", "JPY", 50},
		{"50.00", "JPY", 50},
		{"1.234", "KWD", 1234},
		{"0.0001", "CLF", 1},
		{"92233720368547758.07", "USD", math.MaxInt64},
		{"-92233720368547758.08", "USD", math.MinInt64},
		{strings.Repeat("0", 1<<20) + "1." + strings.Repeat("0", 1<<20), "USD", 100},
	} {
		m, err := money.Parse(c.text, c.currency)
		require.NoError(t, err, c.text[:min(len(c.text), 40)])
		require.Equal(t, money.Money{Amount: c.amount, Currency: c.currency}, m)
	}
}

func TestParseRefusesWhatIsNoAmount(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "-", ".", "5.", ".5", "+5", "--5", "1e3", "1E3", "0x10", "1,000.00", "1 000", "1_000", "1'000",
		" 5", "5 ", "5.0.0", "NaN", "Inf", "$5", "5 USD", "१२", "５", "19.999", "0.001", "1.-5", "5\x00", "5\n",
	} {
		_, err := money.Parse(text, "USD")
		require.ErrorIs(t, err, money.ErrBadAmount, "%q", text)
	}
	_, err := money.Parse("0.5", "JPY")
	require.ErrorIs(t, err, money.ErrBadAmount)
	for _, text := range []string{
		"92233720368547758.08", "-92233720368547758.09", "99999999999999999999", strings.Repeat("9", 1<<20),
	} {
		_, err := money.Parse(text, "USD")
		require.ErrorIs(t, err, money.ErrOverflow)
		require.Less(t, len(err.Error()), 200)
	}
}

func TestDecimalIsReadBack(t *testing.T) {
	t.Parallel()
	currencies := rapid.SampledFrom([]string{"JPY", "USD", "KWD", "CLF"})
	rapid.Check(t, func(t *rapid.T) {
		m := money.Money{Amount: amounts().Draw(t, "amount"), Currency: currencies.Draw(t, "currency")}
		back, err := money.Parse(m.Decimal(), m.Currency)
		require.NoError(t, err)
		require.Equal(t, m, back)
		require.Equal(t, m.Decimal()+" "+m.Currency, m.String())
	})
}

func TestDecimalHasAllDigitsOfItsCurrency(t *testing.T) {
	t.Parallel()
	require.Equal(t, "19.90", usd(1990).Decimal())
	require.Equal(t, "-0.05", usd(-5).Decimal())
	require.Equal(t, "0.00", usd(0).Decimal())
	require.Equal(t, "-92233720368547758.08", usd(math.MinInt64).Decimal())
	require.Equal(t, "50", money.Money{Amount: 50, Currency: "JPY"}.Decimal())
	require.Equal(t, "0.050", money.Money{Amount: 50, Currency: "KWD"}.Decimal())
	require.Equal(t, "50", money.Money{Amount: 50}.String())
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"50", "19.99", "-0.05", "1e3", "92233720368547758.08", ".", "-"} {
		f.Add(seed, "USD")
	}
	f.Fuzz(func(t *testing.T, text, currency string) {
		m, err := money.Parse(text, currency)
		if err != nil {
			return
		}
		back, err := money.Parse(m.Decimal(), currency)
		require.NoError(t, err)
		require.Equal(t, m, back)
	})
}

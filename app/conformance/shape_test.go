package conformance

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// The judge is judged from within: what it lets through can be seen nowhere else.

func TestAnswersOfTheRightShapePass(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"id":"0193f3a0-0000-7000-8000-000000000000","placed_at":"2026-11-21T04:10:16.7Z","total":{"amount":1999,"currency":"USD"},"failure":null}`,
		`{"items":[],"request_id":"anything","amount":{"amount":-5,"currency":"JPY"},"at":"2026-11-21T04:10:16Z","order_id":null}`,
	} {
		require.NoError(t, judge(t, text), text)
	}
}

func TestAnswersOfTheWrongShapeAreFound(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"quantity":1.5}`, `{"items":[{"n":1e3}]}`, `{"total":{"amount":"1999","currency":"USD"}}`, `{"total":{"amount":1999,"currency":"usd"}}`,
		`{"placed_at":"2026-11-21"}`, `{"placed_at":"2026-11-21T04:10:16+02:00"}`, `{"at":"now"}`, `{"id":"42"}`, `[{"order":{"user_id":"x"}}]`,
		`{"id":"0193f3a0-0000-1000-8000-000000000000"}`,
	} {
		require.Error(t, judge(t, text), text)
	}
}

func judge(t *testing.T, text string) error {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return walk("", v)
}

func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"SELECT id FROM users", "service.go:41: nil", "SQLITE_BUSY: sqlite", "open /tmp/x: no such file", "goroutine 7 [running]"} {
		require.Regexp(t, leaks, text)
	}
	for _, text := range []string{"there is no such product", "please select one of the shipping methods", "the version that If-Match names"} {
		require.NotRegexp(t, leaks, text)
	}
}

func TestCBORIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	writeCBOR(&b, map[string]any{"currency": "EUR", "inner": map[string]any{"n": 70_000, "minus": -3}, "long": string(bytes.Repeat([]byte("x"), 300))})
	v, err := readCBOR(b.Bytes())
	require.NoError(t, err)
	object := v.(map[string]any)
	require.Equal(t, "EUR", object["currency"])
	require.Equal(t, map[string]any{"n": uint64(70_000), "minus": int64(-3)}, object["inner"])
	require.Len(t, object["long"], 300)

	// A product as a server would write it: arrays, null, true (RFC 8949 appendix A).
	v, err = readCBOR([]byte{0xa2, 0x61, 'a', 0x83, 0x01, 0xf6, 0xf5, 0x61, 'b', 0x80})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": []any{uint64(1), nil, true}, "b": []any{}}, v)
	for _, bad := range [][]byte{{}, {0xa1}, {0x62, 'a'}, {0x01, 0x01}, {0xfb, 0, 0, 0, 0, 0, 0, 0, 0}, {0xa1, 0x01, 0x01}} {
		_, err := readCBOR(bad)
		require.Error(t, err, "%x", bad)
	}
}

package bus_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/bus"
)

// What the database writes between the two parts is what would have stood there.
func TestAnEventCanBeWrittenAroundItsSequence(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"plain", `"sequence":"00000000000000000007"`, `\"sequence\":\"1`, "<&\u2028"} {
		data, err := json.Marshal(map[string]string{"sequence": text})
		require.NoError(t, err)
		e := bus.Event{
			ID: text, Source: text, Type: text, Subject: text, Sequence: 1<<63 - 1,
			Time: time.Unix(1, 2).UTC(), TraceParent: text, Data: data,
		}
		whole, err := e.MarshalJSON()
		require.NoError(t, err)
		before, after, err := e.Around()
		require.NoError(t, err)
		require.Equal(t, string(whole), fmt.Sprintf("%s%0*d%s", before, bus.SequenceDigits, e.Sequence, after))
	}
}

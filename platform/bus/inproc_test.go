package bus_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stoa/platform/bus"
	"stoa/platform/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestInProcess(t *testing.T) {
	t.Parallel()
	bustest.Run(t, func(*testing.T) bus.Bus { return bus.NewInProcess() })
}

func TestAConsumerSubscribesOnce(t *testing.T) {
	t.Parallel()
	b := bus.NewInProcess()
	deliver := func(context.Context, []bus.Event) error { return nil }
	require.NoError(t, b.Subscribe(t.Context(), "one", []string{"stoa.test.happened.v1"}, deliver))
	require.Error(t, b.Subscribe(t.Context(), "one", []string{"stoa.test.happened.v1"}, deliver))
}

package service

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Occupy takes every processor that passwords are hashed on, until free is called.
func (s *Service) Occupy(t *testing.T) (free func()) {
	t.Helper()
	var release []func()
	for range runtime.GOMAXPROCS(0) {
		slot, err := s.hasher.Acquire(t.Context())
		require.NoError(t, err)
		release = append(release, slot.Release)
	}
	return func() {
		for _, f := range release {
			f()
		}
	}
}

package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/users/internal/service"
)

// Instances that start at once fill one shop.
func TestTheDemoAccountsAreMadeOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	made := make([][]service.DemoAccount, 4)
	for _, err := range together(len(made), func(i int) (err error) {
		made[i], err = s.MakeDemo(t.Context())
		return err
	}) {
		require.NoError(t, err)
	}
	var all []service.DemoAccount
	for _, some := range made {
		all = append(all, some...)
	}
	require.Len(t, all, 2)
}

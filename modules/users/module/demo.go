package module

import (
	"context"
	"fmt"
	"strings"
)

// demo makes an administrator and a customer where there are no accounts.
func (m *wiring) demo(ctx context.Context) ([]string, error) {
	made, err := m.service.MakeDemo(ctx)
	if err != nil {
		return nil, fmt.Errorf("make demo accounts: %w", err)
	}
	notes := make([]string, len(made))
	for i, a := range made {
		notes[i] = fmt.Sprintf("sign in as %s with the password %s (%s)", a.Email, a.Password, strings.Join(a.Roles, ", "))
	}
	return notes, nil
}

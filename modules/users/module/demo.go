package module

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// demoNotes is the file that keeps what was said of the demo accounts, so that
// it can be said again at the next start.
const demoNotes = "demo-accounts.txt"

// demo makes an administrator and a customer where there are no accounts, and
// tells how to sign in as them, now and at later starts. Their passwords are
// random, so that a demo shop on a public address is nobody's but its owner's.
func (m *wiring) demo(dir string) func(ctx context.Context) ([]string, error) {
	path := filepath.Join(dir, demoNotes)
	return func(ctx context.Context) ([]string, error) {
		made, err := m.service.MakeDemo(ctx)
		if err != nil {
			return nil, fmt.Errorf("make demo accounts: %w", err)
		}
		if len(made) == 0 {
			said, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil // the accounts here are not the demo's
			}
			return strings.Split(strings.TrimSpace(string(said)), "\n"), err
		}
		notes := make([]string, len(made))
		for i, a := range made {
			notes[i] = fmt.Sprintf("sign in as %s with the password %s (%s)", a.Email, a.Password, strings.Join(a.Roles, ", "))
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("keep demo accounts: %w", err)
		}
		if err := os.WriteFile(path, []byte(strings.Join(notes, "\n")+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("keep demo accounts: %w", err)
		}
		return notes, nil
	}
}

package auth

import (
	"log/slog"
	"path/filepath"

	"stoa/platform/clock"
)

// Authority is what one process has to tell who somebody is. The composition
// root makes one and hands it to every module.
type Authority struct {
	// Config is the section "auth", with KeysDir filled in.
	Config Config
	// Verifier judges tokens for this process. Somebody tells it whom to
	// Follow: the users module where it runs here, else who can ask it.
	Verifier *Verifier
}

// NewAuthority makes the authority of a process. Keys are kept below dataDir
// where the configuration names no directory.
func NewAuthority(config Config, dataDir string, c clock.Clock, log *slog.Logger) *Authority {
	if config.KeysDir == "" {
		config.KeysDir = filepath.Join(dataDir, "keys")
	}
	return &Authority{Config: config, Verifier: NewVerifier(config, c, log)}
}

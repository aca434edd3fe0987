package ratelimit

import "time"

// Config is the section "ratelimit" of the configuration.
type Config struct {
	Enabled      bool `koanf:"enabled" usage:"limit requests and sign-ins at all"`
	Default      Rate `koanf:"default" usage:"all requests of an address, as number/time; off is no limit"`
	Register     Rate `koanf:"register" usage:"new accounts from an address"`
	SignIn       Rate `koanf:"signin" usage:"attempts to sign in from an address, right or wrong"`
	Reset        Rate `koanf:"reset" usage:"requests to reset a password from an address"`
	ResetAccount Rate `koanf:"reset_account" usage:"requests to reset the password of an account"`

	AccountFailures Rate          `koanf:"account_failures" usage:"wrong passwords for an account before delays begin, and how long without one until they are forgotten"`
	AddressFailures Rate          `koanf:"address_failures" usage:"wrong passwords from an address before delays begin, and how long without one until they are forgotten"`
	MaxDelay        time.Duration `koanf:"max_delay" min:"1s" usage:"longest delay after a wrong password; it begins with 1s and doubles"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		Enabled:         true,
		Default:         Rate{60_000, time.Minute},
		Register:        Rate{300, time.Minute},
		SignIn:          Rate{1200, time.Minute},
		Reset:           Rate{30, time.Minute},
		ResetAccount:    Rate{5, time.Hour},
		AccountFailures: Rate{5, 15 * time.Minute},
		AddressFailures: Rate{30, 15 * time.Minute},
		MaxDelay:        time.Minute,
	}
}

// rates gives the limits by name.
func (c Config) rates() map[string]Rate {
	return map[string]Rate{
		Default: c.Default, Register: c.Register, SignIn: c.SignIn, Reset: c.Reset, ResetAccount: c.ResetAccount,
	}
}

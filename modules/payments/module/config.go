package module

import "time"

// Config are the settings of the section "payments".
type Config struct {
	Provider        string        `koanf:"provider" usage:"who moves the money" allowed:"sandbox"`
	ProviderTimeout time.Duration `koanf:"provider_timeout" usage:"how long a call to the provider may take" min:"1ms"`
}

// DefaultConfig gives the settings that hold where nothing is said.
func DefaultConfig() Config {
	return Config{Provider: "sandbox", ProviderTimeout: 10 * time.Second}
}

package app

import (
	"os"
	"time"

	"stoa/configs"
	"stoa/platform/auth"
	"stoa/platform/broker"
	"stoa/platform/bus"
	"stoa/platform/config"
	"stoa/platform/directory"
	"stoa/platform/mail"
	"stoa/platform/module"
	"stoa/platform/ratelimit"
	"stoa/platform/rpc"
	"stoa/platform/telemetry"
	"stoa/platform/web"
)

// settings is what the process itself is configured with; modules declare
// their own.
type settings struct {
	Modules   modulesConfig
	HTTP      web.Config
	Ops       web.OpsConfig
	Data      dataConfig
	Database  databaseConfig
	Bus       bus.Config
	NATS      broker.Config
	RPC       rpc.Config
	Directory directory.Config
	Outbox    outboxConfig
	Auth      auth.Config
	Mail      mail.Config
	Log       telemetry.LogConfig
	Telemetry telemetry.Config
	RateLimit ratelimit.Config
}

type modulesConfig struct {
	Modules []string `koanf:"modules" usage:"modules that run here; empty is all that the binary links"`
}

type dataConfig struct {
	Dir string `koanf:"dir" usage:"directory of SQLite files, signing keys and uploads"`
}

type databaseConfig struct {
	URL string `koanf:"url" allowed:"sqlite" usage:"sqlite: one file a module below data.dir"`
}

type outboxConfig struct {
	Retention time.Duration `koanf:"retention" min:"1h" usage:"how long published events are kept and can be published again"`
}

func defaults() *settings {
	return &settings{
		Modules:   modulesConfig{Modules: []string{}},
		HTTP:      web.DefaultConfig(),
		Ops:       web.DefaultOpsConfig(),
		Data:      dataConfig{Dir: "./data"},
		Database:  databaseConfig{URL: "sqlite"},
		Bus:       bus.DefaultConfig(),
		NATS:      broker.DefaultConfig(),
		RPC:       rpc.DefaultConfig(),
		Directory: directory.DefaultConfig(),
		Outbox:    outboxConfig{Retention: 7 * 24 * time.Hour},
		Auth:      auth.DefaultConfig(),
		Mail:      mail.DefaultConfig(),
		Log:       telemetry.DefaultLogConfig(),
		Telemetry: telemetry.DefaultConfig(),
		RateLimit: ratelimit.DefaultConfig(),
	}
}

// sections are those of the process and of the modules.
func (s *settings) sections(modules []module.Module) []config.Section {
	sections := []config.Section{
		{Key: "", Target: &s.Modules},
		{Key: "http", Target: &s.HTTP},
		{Key: "ops", Target: &s.Ops},
		{Key: "data", Target: &s.Data},
		{Key: "database", Target: &s.Database},
		{Key: "bus", Target: &s.Bus},
		{Key: "nats", Target: &s.NATS},
		{Key: "rpc", Target: &s.RPC},
		{Key: "directory", Target: &s.Directory},
		{Key: "outbox", Target: &s.Outbox},
		{Key: "auth", Target: &s.Auth},
		{Key: "mail", Target: &s.Mail},
		{Key: "log", Target: &s.Log},
		{Key: "telemetry", Target: &s.Telemetry},
		{Key: "ratelimit", Target: &s.RateLimit},
	}
	for _, m := range modules {
		sections = append(sections, m.Config...)
	}
	return sections
}

// load fills the settings of the process and of all modules that the binary
// links, whether they run or not.
func load(modules []module.Module, files, set []string) (*settings, *config.Loaded, error) {
	s := defaults()
	loaded, err := config.Load(config.Sources{
		Files: files, Environ: os.Environ(), Set: set, Reference: configs.Reference,
	}, s.sections(modules))
	if err != nil {
		return nil, nil, err
	}
	return s, loaded, nil
}

// Sections are all sections of the configuration of a binary that links these
// modules, with their defaults.
func Sections(modules ...module.Module) []config.Section {
	return defaults().sections(modules)
}

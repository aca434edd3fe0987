package app

import (
	"errors"
	"fmt"
	"strings"

	"stoa/platform/bus"
	"stoa/platform/directory"
	"stoa/platform/module"
)

// plan is what a configuration comes to: which modules run here, in the order in
// which they start, and how they meet the others. It is made and judged without
// running anything, so `stoa topology` and a start that cannot work say the same.
type plan struct {
	settings *settings
	here     []module.Module
}

// newPlan judges what the configuration asks of these modules.
func newPlan(s *settings, modules []module.Module) (*plan, error) {
	p := &plan{settings: s}
	if s.Bus.Driver == bus.DriverNATS && !s.NATS.Used() {
		return nil, errors.New("bus.driver nats needs a NATS server: set nats.url to where one is, or nats.embedded: true to run one in this process")
	}
	ordered, err := startOrder(modules, p.find)
	if err != nil {
		return nil, err
	}
	p.here = ordered
	return p, nil
}

// networked tells whether this process meets others.
func (p *plan) networked() bool { return p.settings.Bus.Driver == bus.DriverNATS }

// complete tells whether every module that one here needs is here, too.
func (p *plan) complete() bool {
	for _, m := range p.here {
		for _, name := range m.Needs {
			if !has(p.here, name) {
				return false
			}
		}
	}
	return true
}

// events says what carries events.
func (p *plan) events() string {
	if p.networked() {
		return "NATS JetStream " + p.broker()
	}
	return "within this process"
}

// broker says where the NATS server is.
func (p *plan) broker() string {
	n := p.settings.NATS
	switch {
	case n.Embedded && n.URL == "":
		return "within this process"
	case n.Embedded:
		return "in this process, listening at " + n.Redacted()
	}
	return "at " + n.Redacted()
}

// errAlone is why no other module can be reached.
var errAlone = fmt.Errorf("with bus.driver %q every module runs in one process: add it to `modules`, or set bus.driver: nats", bus.DriverInProcess)

// find tells where a module that does not run here would be found.
func (p *plan) find(name string) (string, error) {
	s := p.settings
	if !p.networked() {
		return "", errAlone
	}
	if s.NATS.Embedded && s.NATS.URL == "" {
		return "", errors.New("no other process reaches the NATS server of this one: set nats.url to where it is to listen, or add the module to `modules`")
	}
	switch s.Directory.Driver {
	case directory.DriverStatic:
		if list := s.Directory.Static[name]; len(list) > 0 {
			return "listed: " + strings.Join(list, ", "), nil
		}
		return "", fmt.Errorf("directory.driver is static and directory.static.%s lists no address", name)
	case directory.DriverDNS:
		if host := s.Directory.DNS[name]; host != "" {
			return "by name: " + host, nil
		}
		return "", fmt.Errorf("directory.driver is dns and directory.dns.%s names no host", name)
	}
	return "announced over NATS", nil
}

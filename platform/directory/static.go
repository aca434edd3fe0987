package directory

import "fmt"

// Static is a directory of addresses that were written down. An instance is
// named by what was written.
type Static struct{ *table }

// NewStatic gives the directory of a list of addresses for each module, as
// directory.static has them.
func NewStatic(addresses map[string][]string) (*Static, error) {
	var all []Instance
	for module, list := range addresses {
		for _, text := range list {
			i, err := parseAddress(text)
			if err != nil {
				return nil, fmt.Errorf("directory.static.%s: %w", module, err)
			}
			i.Module = module
			all = append(all, i)
		}
	}
	s := &Static{newTable()}
	s.set(all)
	return s, nil
}

// Announce does nothing: others are told by their configuration.
func (*Static) Announce(Instance, func() int64) (func() error, error) { return nothing, nil }

// Close does nothing.
func (*Static) Close() error { return nil }

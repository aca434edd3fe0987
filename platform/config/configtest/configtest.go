// Package configtest holds the annotated configuration file and the declared
// sections together: a test of whoever declares sections calls it. It is for
// tests only.
package configtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"stoa/platform/config"
)

// Reference fails the test unless the file and the sections agree key for key
// and default for default, every key in the file has a comment, and every field
// of the sections a help line. The sections are those of all modules; their
// targets hold the defaults.
func Reference(t testing.TB, file []byte, sections ...config.Section) {
	t.Helper()
	agree(t, file, config.Sources{}, sections)
	undocumented(t, file)
}

// Sections fails the test unless the file holds every key of the sections with
// its default. What else it holds is not looked at.
func Sections(t testing.TB, file []byte, sections ...config.Section) {
	t.Helper()
	agree(t, file, config.Sources{Reference: file}, sections)
}

func agree(t testing.TB, file []byte, sources config.Sources, sections []config.Section) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reference.yaml")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	sources.Files = []string{path}
	loaded, err := config.Load(sources, sections)
	require.NoError(t, err, "the file holds keys or values that the sections do not know")

	var faults []string
	for _, v := range loaded.Values() {
		switch {
		case v.Source == config.Default:
			faults = append(faults, v.Key+" is missing in the file")
		case v.Changed:
			faults = append(faults, v.Key+" has another value in the file than its default")
		}
		if v.Usage == "" {
			faults = append(faults, v.Key+" has no usage tag")
		}
	}
	require.Empty(t, faults, strings.Join(faults, "\n"))
}

// undocumented fails the test for each key without a comment above or behind it.
func undocumented(t testing.TB, file []byte) {
	t.Helper()
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal(file, &doc))
	var silent []string
	var visit func(m *yaml.Node, path string)
	visit = func(m *yaml.Node, path string) {
		for i := 0; i+1 < len(m.Content); i += 2 {
			key, value := m.Content[i], m.Content[i+1]
			if key.HeadComment == "" && value.LineComment == "" && key.LineComment == "" {
				silent = append(silent, path+key.Value)
			}
			if value.Kind == yaml.MappingNode {
				visit(value, path+key.Value+".")
			}
		}
	}
	for _, top := range doc.Content {
		visit(top, "")
	}
	require.Empty(t, silent, "keys without a comment")
}

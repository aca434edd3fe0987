package main

import (
	"testing"

	"stoa/app"
	"stoa/configs"
	"stoa/platform/config/configtest"
)

func TestTheAnnotatedConfigurationIsTheWholeOne(t *testing.T) {
	t.Parallel()
	configtest.Reference(t, configs.Reference, app.Sections(modules()...)...)
}

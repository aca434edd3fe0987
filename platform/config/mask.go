package config

import "regexp"

const masked = "***"

var (
	userinfo  = regexp.MustCompile(`(://(?:[^:/?#@\s]*:)?)\S*@`)
	parameter = regexp.MustCompile(`(?i)((?:^|[?&;\s])[a-z_]*(?:password|secret|token|api_?key)=)[^&;\s]*`)
)

// mask hides the credentials that a URL or connection string holds: what stands
// before the host but the user's name, and parameters that are named like one.
func mask(text string) string {
	text = userinfo.ReplaceAllString(text, "${1}"+masked+"@")
	return parameter.ReplaceAllString(text, "${1}"+masked)
}

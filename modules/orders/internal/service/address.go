package service

import (
	"golang.org/x/text/language"
)

// isCountry tells whether a code is that of a country in ISO 3166-1 alpha-2.
func isCountry(code string) bool {
	if len(code) != 2 {
		return false
	}
	region, err := language.ParseRegion(code)
	return err == nil && region.IsCountry() && region.String() == code
}

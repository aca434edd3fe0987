package replay

import "strings"

// countryCode gives the ISO 3166-1 alpha-2 code for a country as the data set
// names it. Names that are none of a country are taken for the shop's own; the
// address keeps the name as its region.
func countryCode(name string) string {
	if code, known := countryCodes[strings.ToLower(name)]; known {
		return code
	}
	return "GB"
}

var countryCodes = map[string]string{
	"australia": "AU", "austria": "AT", "bahrain": "BH", "belgium": "BE", "brazil": "BR", "canada": "CA",
	"channel islands": "JE", // Jersey stands for them: together they have no code
	"cyprus":          "CY", "czech republic": "CZ", "denmark": "DK", "eire": "IE",
	"european community": "BE", // its seat
	"finland":            "FI", "france": "FR", "germany": "DE", "greece": "GR", "hong kong": "HK", "iceland": "IS",
	"israel": "IL", "italy": "IT", "japan": "JP", "korea": "KR", "lebanon": "LB", "lithuania": "LT", "malta": "MT",
	"netherlands": "NL", "nigeria": "NG", "norway": "NO", "poland": "PL", "portugal": "PT", "rsa": "ZA",
	"saudi arabia": "SA", "singapore": "SG", "spain": "ES", "sweden": "SE", "switzerland": "CH", "thailand": "TH",
	"united arab emirates": "AE", "united kingdom": "GB", "usa": "US", "west indies": "BB",
	"bermuda": "BM",
}

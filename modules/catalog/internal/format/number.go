package format

import (
	"strconv"
	"strings"
)

// wholeNumber reads a whole number, or what is wrong with it. A fraction of
// zeros ("5.0", as spreadsheets write it) is no fraction; another one is
// rounded to the nearest number, halves up, or refused.
func wholeNumber(text string, round bool) (int64, string) {
	const message = "is not a whole number"
	whole, fraction, point := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.HasPrefix(whole, "+") || point && !digits(fraction) {
		return 0, message
	}
	up := false
	if strings.Trim(fraction, "0") != "" {
		if !round {
			return 0, message
		}
		up = fraction[0] >= '5'
	}
	switch {
	case n < 0 || whole[0] == '-' && strings.Trim(text, "-0.") != "":
		return 0, "must not be below 0"
	case up && n+1 < n:
		return 0, message
	case up:
		n++
	}
	return n, ""
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

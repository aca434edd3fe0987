package store

// OnPostgres gives the SQL of a list as PostgreSQL says it.
func OnPostgres(query string) string { return forPostgres(query) }

// Plans gives the SQL of all lists by name, for tests of how it is executed.
func Plans() map[string]string {
	plans := map[string]string{
		"sku":                            skuSQL,
		"relevant in title, one status":  titledSQL.ofStatus,
		"relevant in title, all":         titledSQL.ofAll,
		"relevant elsewhere, one status": elsewhereSQL.ofStatus,
		"relevant elsewhere, all":        elsewhereSQL.ofAll,
	}
	for order, q := range map[Order]orderingQueries{
		ByAge: orderingSQL("", false), ByAgeDesc: orderingSQL("", true), ByPrice: orderingSQL("price", false),
		ByPriceDesc: orderingSQL("price", true), ByTitle: orderingSQL("title", false),
	} {
		plans[string(order)+" along, one status"] = q.along.ofStatus
		plans[string(order)+" along, all"] = q.along.ofAll
		plans[string(order)+" sorted, one status"] = q.sorted.ofStatus
		plans[string(order)+" sorted, all"] = q.sorted.ofAll
		plans[string(order)+" matching, one status"] = q.matching.ofStatus
		plans[string(order)+" matching, all"] = q.matching.ofAll
	}
	return plans
}

package service_test

import "stoa/modules/orders/internal/service"

var everyOrder = service.ListOrders{By: staff, Limit: 100}

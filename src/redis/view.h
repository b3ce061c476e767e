#ifndef REDIS_VIEW_H
#define REDIS_VIEW_H

/* How core/slots.h reads a reply of hiredis.  Pure: no nginx. */

#include <hiredis/hiredis.h>

#include "core/slots.h"


/* The reply must outlive the view. */
void redis_view(apikey_slots_view_t *view, const redisReply *reply);


#endif /* REDIS_VIEW_H */

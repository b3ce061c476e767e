#ifndef _NGX_REDIS_CLUSTER_H_INCLUDED_
#define _NGX_REDIS_CLUSTER_H_INCLUDED_


#include "ngx_redis_node.h"


struct ngx_redis_cluster_s {
    ngx_redis_t               *redis;

    ngx_event_t                refresh;      /* of the map */
    ngx_event_t                sweep;        /* of nodes without slots */
    ngx_msec_t                 began;        /* the last refresh */
    ngx_msec_t                 pause;        /* until the next, at least */
    ngx_redis_node_t          *asked;        /* for the map; NULL: nobody */
    ngx_uint_t                 first;        /* node of this refresh */
    ngx_uint_t                 tried;        /* and how many since */
    ngx_uint_t                 round;        /* of how many */
    ngx_msec_t                 since;        /* failing */

    /* there is another map, or none */
    void                     (*changed)(ngx_redis_cluster_t *cluster);

    ngx_queue_t                held;         /* commands without a node */
    ngx_uint_t                 nheld;
    ngx_event_t                again;        /* are they tried */
    ngx_queue_t                late;         /* commands timed by themselves */
    ngx_event_t                expire;

    ngx_redis_node_t          *heard;        /* by the subscriber */
    ngx_uint_t                 teller;       /* of its last echo */
    ngx_uint_t                 echo;         /* which it is */
    ngx_msec_t                 echo_sent;
    u_char                     own[256];     /* channel */

    unsigned                   mapped:1;     /* there is a map */
    unsigned                   failing:1;    /* there is none to be had */
    unsigned                   logged:1;     /* why */
    unsigned                   lost:1;       /* a node has no address */
    unsigned                   echoing:1;    /* not heard yet */
    unsigned                   echo_again:1; /* one more is wanted */

    u_short                    slots[APIKEY_SLOTS];  /* node's number + 1 */
};


/* ngx_redis_listener.c */

/* The map may be another. */
void ngx_redis_listener_follow(ngx_redis_cluster_t *cluster);


/* ngx_redis_map.c */

void ngx_redis_map_init(ngx_redis_cluster_t *cluster);
void ngx_redis_map_close(ngx_redis_cluster_t *cluster);

/* Soon, but not too often. */
void ngx_redis_map_refresh(ngx_redis_cluster_t *cluster);

/* The node has this slot from now on. */
void ngx_redis_map_set(ngx_redis_cluster_t *cluster, ngx_uint_t slot,
    ngx_redis_node_t *node);

/*
 * The node where the teller says the slots are.  NULL: it doesn't say where,
 * or there is no room for it.
 */
ngx_redis_node_t *ngx_redis_map_node(ngx_redis_cluster_t *cluster,
    const apikey_slots_t *slots, ngx_redis_node_t *teller);


#endif /* _NGX_REDIS_CLUSTER_H_INCLUDED_ */

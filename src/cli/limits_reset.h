#ifndef APIKEY_LIMITS_RESET_H
#define APIKEY_LIMITS_RESET_H

#include "cli.h"


/* limits --reset, of the operand. */
int reset_counters(cli_t *cli);


#endif /* APIKEY_LIMITS_RESET_H */

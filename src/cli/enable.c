/* enable and disable. */

#include "status.h"


int
command_enable(cli_t *cli)
{
    status_t  status = { .status = "active", .done = "enabled" };

    return status_keys(cli, &status);
}


int
command_disable(cli_t *cli)
{
    status_t  status = { .status = "disabled", .done = "disabled" };

    return status_keys(cli, &status);
}

/* framecache: being told to end while a consumer waits
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_INTERRUPT_H
#define FCCTL_INTERRUPT_H

#include "fc.h"

/* From here on SIGINT and SIGTERM interrupt CONSUMER and are remembered, so
 * that what is half done can be cleared away; with NULL, only the latter. */
void fcctl_interrupt_set (fc_consumer_t *consumer);
/* The signal that came, or 0. */
int fcctl_interrupted (void);
/* End by that signal, if one came. */
void fcctl_interrupt_raise (void);

#endif /* FCCTL_INTERRUPT_H */

/* framecache: what a process and a slot directory have in use
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_GST_USAGE_H
#define FC_GST_USAGE_H

#include "fc-gst-test.h"

typedef struct
{
  guint64 resident;    /* bytes of this process, shared memory left out */
  guint64 allocated;   /* bytes, by malloc () */
  guint64 descriptors; /* open */
  guint64 threads;
  guint64 mappings; /* of files in the slot directory, there still or not */
  guint64 shared;   /* bytes that these take */
  guint64 leases;   /* held in cam0 by all its consumers */
} FctUsage;

void fct_usage_get (FctUsage *usage);
/* The same once no more descriptors are open than N: those of GLib's own, and
 * those that are on their way on a bus, come and go a little later. */
void fct_usage_settle (FctUsage *usage, guint64 n);
void fct_usage_print (const gchar *when, const FctUsage *usage);

#endif /* FC_GST_USAGE_H */

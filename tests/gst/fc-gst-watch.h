/* framecache: what a consumer of a changing slot must see, watched on a pad
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_GST_WATCH_H
#define FC_GST_WATCH_H

#include "fc-gst-test.h"

/* Fails the test, on the thread that pushes, where a buffer comes before the
 * stream-start, caps and segment that it needs, where its size is not that of
 * the raw video caps in force, where the first buffer after a change of caps
 * is not DISCONT, or where numbers (offsets) do not rise by one without it.
 * Numbers may begin anew only after a DISCONT. */
typedef struct
{
  GstPad *pad;
  gulong probe;

  GMutex lock;
  gboolean stream_start;
  gboolean caps;
  gboolean segment;
  gboolean ended;
  gboolean late;       /* watched from the middle on: set by the test */
  gboolean unnumbered; /* offsets mean nothing: set by the test */
  gsize frame_size;    /* of the caps, or 0 */
  GstCaps *in_force;
  gboolean changed; /* the caps, and no buffer came since */
  guint64 next;     /* number that goes on without DISCONT */

  guint64 buffers;
  guint64 gaps;
  guint64 missing; /* numbers left out */
  guint64 disconts;
  guint64 caps_changes;
  guint64 stream_starts;
  guint64 eos;
  gchar *wrong; /* what was, first */
} FctWatch;

FctWatch *fct_watch_new (GstElement *element, const gchar *pad);
/* Also fails where anything was wrong. */
void fct_watch_free (FctWatch *watch);
void fct_watch_check (FctWatch *watch);

guint64 fct_watch_get (FctWatch *watch, const guint64 *field);
/* Wait until N buffers came, or were left out. */
void fct_watch_await (FctWatch *watch, guint64 n);
/* Numbers begin anew at N, with a DISCONT. */
void fct_watch_expect (FctWatch *watch, guint64 n);

#endif /* FC_GST_WATCH_H */

/* framecache: fcsrc and slots that it can not see
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In another mount namespace the slot directory is missing, or empty: there
 * the registry opens a slot's files and hands them over on the bus. It is
 * asked only while a slot is waited for; frames come without it.
 */
#include <errno.h>

#include "gstfcsrc-private.h"

#define GST_CAT_DEFAULT gst_fc_src_debug

/* A thread of the bus's. Libfc's waiting goes on where there is nothing to
 * take: it knows that there was no slot when it began. */
static void
gst_fc_src_bus_asked (gboolean answered, gpointer user_data)
{
  GstFcSrc *self = user_data;

  g_mutex_lock (&self->wait_lock);
  self->bus_asked = TRUE;
  self->bus_answered |= answered;
  gst_fc_src_update_interrupted (self);
  g_cond_broadcast (&self->wait_cond);
  g_mutex_unlock (&self->wait_lock);
}

static void
gst_fc_src_forget_answer (GstFcSrc *self)
{
  g_mutex_lock (&self->wait_lock);
  self->bus_answered = FALSE;
  gst_fc_src_update_interrupted (self);
  g_mutex_unlock (&self->wait_lock);
}

static gboolean
gst_fc_src_is_in_directory (GstFcSrc *self)
{
  fc_slot_stat_t stat = { .struct_size = sizeof (stat) };

  return fc_slot_stat (self->use.directory, self->use.slot, &stat) != -ENOENT;
}

static int
note_directory (const char *path, void *user_data)
{
  g_ptr_array_add (user_data, g_strdup (path));
  return 0;
}

/* Who names a directory means that one, and no slot of the same name in
 * another that the registry may have. */
static GstFcBus *
gst_fc_src_ask_for_directory (GstFcSrc *self)
{
  GPtrArray *dirs = g_ptr_array_new_with_free_func (g_free);
  const gchar *named = NULL;
  GstFcBus *bus;

  (void) fc_slot_dirs (self->use.directory, note_directory, dirs);
  if (dirs->len == 1) /* else they are the usual ones */
    named = dirs->pdata[0];
  bus = gst_fc_bus_new (self->use.slot, named, FALSE, gst_fc_src_bus_asked,
                        self);
  g_ptr_array_unref (dirs);
  return bus;
}

void
gst_fc_src_ask_bus (GstFcSrc *self)
{
  if (self->bus != NULL || self->use.attach == GST_FC_ATTACH_DIRECTORY)
    return;
  if (self->use.attach == GST_FC_ATTACH_BUS)
    self->bus = gst_fc_bus_new (self->use.slot, NULL, TRUE,
                                gst_fc_src_bus_asked, self);
  else if (!gst_fc_src_is_in_directory (self))
    self->bus = gst_fc_src_ask_for_directory (self);
}

void
gst_fc_src_leave_bus (GstFcSrc *self)
{
  if (self->bus == NULL)
    return;
  g_clear_pointer (&self->bus, gst_fc_bus_free);
  gst_fc_src_forget_answer (self);
  g_mutex_lock (&self->wait_lock);
  self->bus_asked = FALSE;
  g_mutex_unlock (&self->wait_lock);
}

int
gst_fc_src_wait_for_bus (GstFcSrc *self, gint64 timeout)
{
  gint64 now = g_get_monotonic_time ();
  gint64 end = timeout < 0 ? G_MAXINT64 : now + timeout / 1000;
  int r = FC_INTERRUPTED;

  g_mutex_lock (&self->wait_lock);
  while (!self->bus_answered && !self->flushing && !self->stopping
         && !self->paused && r == FC_INTERRUPTED)
    if (!self->bus_asked)
      g_cond_wait (&self->wait_cond, &self->wait_lock);
    else if (!g_cond_wait_until (&self->wait_cond, &self->wait_lock, end))
      r = -ENOENT;
  if (self->bus_answered)
    r = FC_INTERRUPTED;
  g_mutex_unlock (&self->wait_lock);
  return r;
}

static int
gst_fc_src_refused (GstFcSrc *self, const gchar *refusal)
{
  GST_ELEMENT_ERROR (self, RESOURCE, NOT_AUTHORIZED, ("%s", refusal),
                     ("by the registry, for slot %s", self->use.slot));
  self->failure = GST_FLOW_ERROR;
  return -ENOTSUP;
}

int
gst_fc_src_attach_by_bus (GstFcSrc *self)
{
  GstFcBusAnswer answer = GST_FC_BUS_ANSWER_INIT;
  int r;

  if (self->bus == NULL)
    return -ENOENT;
  gst_fc_src_forget_answer (self);
  if (!gst_fc_bus_take (self->bus, &answer))
    return -ENOENT;
  if (answer.refusal != NULL)
    r = gst_fc_src_refused (self, answer.refusal);
  else
    r = fc_consumer_attach_fds (self->consumer, answer.ring_fd, answer.table_fd,
                                answer.waited);
  gst_fc_bus_answer_clear (&answer);
  if (r == -ENOENT)
    {
      GST_DEBUG_OBJECT (self, "%s", fc_error_detail ());
      gst_fc_bus_go_on (self->bus);
    }
  return r;
}

/* framecache: fcctl doctor's checks of slots
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

/* Rings that can not be used ---------------------------------------------- */

typedef enum
{
  VERSION,
  DAMAGED
} Defect;

/* libfc has one error for all of them, and a sentence for each. */
static Defect
defect_of (const FcctlDoctorSlot *slot)
{
  return strstr (slot->detail, "layout version") != NULL ? VERSION : DAMAGED;
}

static void
tell_defects (FcctlDoctor *doctor, Defect defect, const gchar *remedy)
{
  for (guint i = 0; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *slot = g_ptr_array_index (doctor->slots, i);

      if (slot->result == -EPROTO && defect_of (slot) == defect)
        fcctl_doctor_fault (doctor, slot->name, remedy, "%s.", slot->detail);
    }
}

void
fcctl_doctor_version_mismatch (FcctlDoctor *doctor)
{
  tell_defects (doctor, VERSION,
                "Install the same version of framecache for all, also in "
                "containers, and restart the slot's writer.");
}

void
fcctl_doctor_ring_damaged (FcctlDoctor *doctor)
{
  tell_defects (doctor, DAMAGED,
                "fcctl rm takes it away; a writer makes it anew.");
}

/* Who may what ------------------------------------------------------------ */

void
fcctl_doctor_ring_unreadable (FcctlDoctor *doctor)
{
  for (guint i = 0; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *slot = g_ptr_array_index (doctor->slots, i);

      if (slot->result < 0 && slot->result != -EPROTO)
        fcctl_doctor_note (doctor, slot->name,
                           "Where this user is to read it: fcsink access=group "
                           "or all, and the same of a program's writer.",
                           "%s.", slot->detail);
    }
}

void
fcctl_doctor_owner_untrusted (FcctlDoctor *doctor)
{
  for (guint i = 0; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *slot = g_ptr_array_index (doctor->slots, i);
      g_autofree gchar *owner = fcctl_doctor_user (slot->stat.owner);

      if (slot->result == 0 && slot->stat.owner != 0
          && slot->stat.owner != geteuid ())
        fcctl_doctor_note (doctor, slot->name,
                           "A consumer that trusts that user says so "
                           "(trust_uid); observing costs it a copy of each "
                           "frame, and no more.",
                           "Slot %s is of %s, whom this user's consumers do "
                           "not trust: they observe it.",
                           slot->name, owner);
    }
}

static mode_t
way_through (fc_share_t access)
{
  return access == FC_SHARE_ALL     ? S_IXOTH
         : access == FC_SHARE_GROUP ? S_IXGRP
                                    : 0;
}

void
fcctl_doctor_access_blocked (FcctlDoctor *doctor)
{
  for (guint i = 0; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *slot = g_ptr_array_index (doctor->slots, i);
      mode_t needed = way_through (slot->stat.access);

      if (slot->result < 0 || (slot->dir->st.st_mode & needed) == needed)
        continue;
      fcctl_doctor_fault (
          doctor, slot->name,
          slot->stat.access == FC_SHARE_ALL ? "chmod o+x the directory."
                                            : "chmod g+x the directory.",
          "Slot %s may be read by %s, but its directory %s (mode %04o) lets "
          "fewer through.",
          slot->name, fcctl_share (slot->stat.access), slot->dir->path,
          slot->dir->st.st_mode & 07777);
    }
}

void
fcctl_doctor_slot_twice (FcctlDoctor *doctor)
{
  for (guint i = 1; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *a = g_ptr_array_index (doctor->slots, i - 1);
      const FcctlDoctorSlot *b = g_ptr_array_index (doctor->slots, i);

      if (g_str_equal (a->name, b->name))
        fcctl_doctor_fault (
            doctor, a->name,
            "Stop one of the writers or rename its slot, or name the directory "
            "that is meant with FC_DIR.",
            "Slot %s is in %s and in %s: consumers get the first, whichever "
            "writer they mean.",
            a->name, a->dir->path, b->dir->path);
    }
}

/* How they are ------------------------------------------------------------ */

void
fcctl_doctor_writer_dead (FcctlDoctor *doctor)
{
  for (guint i = 0; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *slot = g_ptr_array_index (doctor->slots, i);
      g_autofree gchar *bytes = fcctl_bytes (slot->stat.bytes_allocated);
      g_autofree gchar *remedy = g_strdup_printf (
          "Start it again: it carries on, and consumers with it. Or collect "
          "what it left: fcctl gc %s.",
          slot->name);

      if (slot->result == 0 && slot->stat.state == FC_STATE_LOST)
        fcctl_doctor_fault (doctor, slot->name, remedy,
                            "The writer of slot %s (pid %u) died without "
                            "closing it; %s are still taken.",
                            slot->name, slot->stat.writer_pid, bytes);
    }
}

void
fcctl_doctor_table_full (FcctlDoctor *doctor)
{
  for (guint i = 0; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *slot = g_ptr_array_index (doctor->slots, i);

      if (slot->result == 0 && slot->stat.consumers >= slot->stat.max_consumers)
        fcctl_doctor_fault (
            doctor, slot->name,
            "End some of them (fcctl show lists them), or have the writer make "
            "room for more (max_consumers).",
            "Slot %s has room for %u consumers, and has %u: the next one is "
            "refused.",
            slot->name, slot->stat.max_consumers, slot->stat.consumers);
    }
}

void
fcctl_doctor_memory_short (FcctlDoctor *doctor)
{
  for (guint i = 0; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *slot = g_ptr_array_index (doctor->slots, i);

      if (slot->result == 0
          && (slot->stat.history_shortened > 0
              || slot->stat.writer_dropped > 0))
        fcctl_doctor_note (
            doctor, slot->name,
            "Have its consumers hold fewer frames, or give it more memory.",
            "Slot %s ran out of memory since its ring was made: "
            "%" G_GUINT64_FORMAT
            " places of its history were given up, and its "
            "writer dropped %" G_GUINT64_FORMAT " frames.",
            slot->name, slot->stat.history_shortened,
            slot->stat.writer_dropped);
    }
}

"""The preview of a priority change."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from console.queries import priority_change
from core.numbers import MAX_ID, whole
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY


@require_GET
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the effect of a new priority, or of a place before or behind another job. Nothing is written."""
    job, given = priority_change.waiting_job(pk), request.GET
    if job is None:
        return JsonResponse({"message": _("The job is no longer waiting.")}, status=409)
    if "priority" in given:
        priority = whole(given["priority"], MIN_PRIORITY, MAX_PRIORITY)
        if priority is None:
            return JsonResponse({"message": _("A priority is a whole number from -99 to 99.")}, status=400)
        return JsonResponse(_as_json(priority_change.with_priority(job, priority)))
    target = priority_change.waiting_job(whole(given.get("before") or given.get("behind"), 1, MAX_ID) or 0)
    if target is None or target.group_id != job.group_id or target.pk == job.pk:
        return JsonResponse({"message": _("The queue has changed meanwhile. Please look again.")}, status=409)
    found = priority_change.at_place(job, target, behind="behind" in given)
    if found is None:
        message = _("No priority brings it there: jobs of the highest or lowest priority stand in the way.")
        return JsonResponse({"message": message}, status=409)
    return JsonResponse(_as_json(found))


def _as_json(found: priority_change.PriorityPreview) -> dict[str, object]:
    """Return the change for the dialog, with sentences that describe it."""
    sentences = [
        _("Priority: %(old)s → %(new)s.") % {"old": found.priority, "new": found.new_priority},
        _("Place in %(group)s: %(old)s → %(new)s of %(all)s.")
        % {"group": found.group, "old": found.place, "new": found.new_place, "all": found.length},
    ]
    if found.fair:
        sentences.append(
            _(
                "This group is fair: among jobs with the same priority, the customer with the lowest recent usage goes "
                "first. So only the priority changes, and the place is approximate."
            )
        )
    elif not found.exact:
        sentences.append(
            _("Jobs with the same priority keep the order of their requests, so this job also passes them.")
        )
    title = _("Job #%(job)s of %(customer)s") % {"job": found.job, "customer": found.customer}
    return {"priority": found.new_priority, "before": found.priority, "title": title, "says": sentences}

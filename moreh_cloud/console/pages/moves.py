"""What a change of priority would do, before anybody makes it."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from moreh_cloud.console.pages.asked import whole
from moreh_cloud.console.queries import moves
from scheduler.queries import MAX_ID
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY


@require_GET
def outlook(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what a priority, or a place before or behind another job, would change; nothing is written."""
    job, asked = moves.waiting_job(pk), request.GET
    if job is None:
        return JsonResponse({"message": _("The job is no longer waiting.")}, status=409)
    if "priority" in asked:
        priority = whole(asked["priority"], MIN_PRIORITY, MAX_PRIORITY)
        if priority is None:
            return JsonResponse({"message": _("A priority is a whole number from -99 to 99.")}, status=400)
        return JsonResponse(_told(moves.with_priority(job, priority)))
    target = moves.waiting_job(whole(asked.get("before") or asked.get("behind"), 1, MAX_ID) or 0)
    if target is None or target.group_id != job.group_id or target.pk == job.pk:
        return JsonResponse({"message": _("The queue has changed meanwhile. Please look again.")}, status=409)
    found = moves.moved(job, target, behind="behind" in asked)
    if found is None:
        said = _("No priority brings it there: jobs of the highest or lowest priority stand in the way.")
        return JsonResponse({"message": said}, status=409)
    return JsonResponse(_told(found))


def _told(found: moves.Outlook) -> dict[str, object]:
    """Say it in words as well."""
    says = [
        _("Priority: %(old)s → %(new)s.") % {"old": found.priority, "new": found.new_priority},
        _("Place in %(group)s: %(old)s → %(new)s of %(all)s.")
        % {"group": found.group, "old": found.place, "new": found.new_place, "all": found.length},
    ]
    if found.fair:
        says.append(
            _(
                "This group is fair: among jobs of one priority the customer who used least goes first, so only the "
                "priority changes, and the place is about where it will stand."
            )
        )
    elif not found.exact:
        says.append(_("Jobs of one priority keep the order of their requests, so it goes past them."))
    title = _("Job #%(job)s of %(customer)s") % {"job": found.job, "customer": found.customer}
    return {"priority": found.new_priority, "before": found.priority, "title": title, "says": says}

import time
from tests.e2e.test_faults import site, in_the_middle
from tests.e2e.site import Site
from tests.e2e.stack import wait_for


def test_an_import_that_arrives_after_its_process_died_leaves_one_prediction_each(site: Site) -> None:
    wanted = site.other_version()
    with in_the_middle(site, "POST .*/import/predictions"):
        site.kill_horse("rank")
        wait_for(lambda: site.project.status()["serving"] == wanted, "the repetition")
        site.project.wait_settled()
    time.sleep(5)
    faults = site.whole()
    print("DUP", str(faults)[:300])
    from backend.labelstudio import pages
    c = site.project.client
    print("FILTER", pages.first(c.session, site.project.id, (("total_predictions", "greater", 1),), "id", 5, with_computed=False))
    tasks = pages.first(c.session, site.project.id, (("total_predictions", "greater", 1),), "id,predictions", 5)
    print("PRED", str(tasks)[:600])
    assert not faults.found

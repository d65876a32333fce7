"""Campaigns: many pure tasks on any number of workers, whose results are kept, so that no task is done twice."""

from lstmith.campaign.cluster import Cluster, open_cluster
from lstmith.campaign.runner import in_order, run_tasks
from lstmith.campaign.store import Store
from lstmith.campaign.task import Task

__all__ = ["Cluster", "Store", "Task", "in_order", "open_cluster", "run_tasks"]

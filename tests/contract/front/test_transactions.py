"""DynamoDB's transactions among many writers: those that lose undo nothing of those that win."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.region import RunningRegion
from tests.support.tables import make_table

WRITERS, ROUNDS = 6, 25


def test_a_cancelled_transaction_undoes_nobody_elses_write(region: RunningRegion) -> None:
    client = region.client("dynamodb")
    make_table(client, "transactions", ranged=False)
    client.put_item(TableName="transactions", Item={"pk": {"S": "one"}, "n": {"N": "0"}})

    def write(writer: int) -> list[str]:
        won = []
        for number in range(ROUNDS):
            found = client.get_item(TableName="transactions", Key={"pk": {"S": "one"}}, ConsistentRead=True)["Item"]
            name = f"{writer}-{number}"
            update = {
                "TableName": "transactions",
                "Key": {"pk": {"S": "one"}},
                "UpdateExpression": "SET n = :next",
                "ConditionExpression": "n = :read",
                "ExpressionAttributeValues": {":read": found["n"], ":next": {"N": str(int(found["n"]["N"]) + 1)}},
            }
            put = {"TableName": "transactions", "Item": {"pk": {"S": name}}}
            try:
                client.transact_write_items(TransactItems=[{"Update": update}, {"Put": put}])
            except client.exceptions.TransactionCanceledException:
                continue
            won.append(name)
        return won

    with ThreadPoolExecutor(WRITERS) as pool:
        won = [name for names in pool.map(write, range(WRITERS)) for name in names]
    items = {item["pk"]["S"]: item for item in client.scan(TableName="transactions")["Items"]}
    assert int(items["one"]["n"]["N"]) == len(won)
    assert set(items) == {"one", *won}

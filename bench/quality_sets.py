"""The real sets of the quality comparison: how each is split, and what its columns mean.

A set is read from its compressed file in the data directory, split as its published figures were, and written
as training and test files in its own layout (csv, tsv or libsvm) for any trainer to read.
"""

import dataclasses
import gzip
import os

ADULT_COLUMNS = ("age workclass fnlwgt education education_num marital_status occupation relationship race sex "
                 "capital_gain capital_loss hours_per_week native_country income").split()
CRITEO_COLUMNS = ["label", *[f"I{i}" for i in range(1, 14)], *[f"C{i}" for i in range(1, 27)]]
SHOPPERS_NUMERIC = ("Administrative Administrative_Duration Informational Informational_Duration ProductRelated "
                    "ProductRelated_Duration BounceRates ExitRates PageValues SpecialDay").split()


@dataclasses.dataclass
class Table:
    """Rows of fields. Columns that are neither numeric, ignored nor the label are categories."""
    name: str
    separator: str
    columns: list
    label: str
    positive: str
    numeric: frozenset
    ignored: frozenset
    train: list            # of lists of texts
    test: list

    def label_of(self, row):
        return 1 if row[self.columns.index(self.label)] == self.positive else 0

    def write(self, directory):
        """Returns the paths of the training and the test file, which have no header."""
        paths = []
        for part, rows in (("train", self.train), ("test", self.test)):
            path = f"{directory}/{self.name}.{part}"
            with open(path, "w", encoding="utf-8") as out:
                out.writelines(self.separator.join(row) + "\n" for row in rows)
            paths.append(path)
        return paths

    def data_config(self):
        return {"format": "csv" if self.separator == "," else "tsv", "header": False, "columns": self.columns,
                "label": {"column": self.label, "positive": self.positive}}

    def feature_config(self, numeric_op):
        features = []
        for column in self.columns:
            if column == self.label:
                continue
            op = "ignore" if column in self.ignored else numeric_op if column in self.numeric else "hash"
            features.append({"column": column, "op": op})
        return features


@dataclasses.dataclass
class Sparse:
    """Lines of libsvm text."""
    name: str
    train: list
    test: list

    @staticmethod
    def label_of(line):
        return 1 if line.split(None, 1)[0] in ("1", "+1") else 0

    def write(self, directory):
        paths = []
        for part, lines in (("train", self.train), ("test", self.test)):
            path = f"{directory}/{self.name}.{part}"
            with open(path, "w", encoding="ascii") as out:
                out.writelines(line + "\n" for line in lines)
            paths.append(path)
        return paths

    @staticmethod
    def data_config():
        return {"format": "libsvm", "index_base": 0}

    @staticmethod
    def feature_config(_):
        return []


def read_lines(directory, name):
    with gzip.open(os.path.join(directory, name), "rt", encoding="utf-8") as lines:
        return [line.rstrip("\r\n") for line in lines if line.strip()]


def fifth(rows):
    """Every fifth row, the one with index % 5 == 4, is a test row."""
    return ([row for i, row in enumerate(rows) if i % 5 != 4], [row for i, row in enumerate(rows) if i % 5 == 4])


def table(name, columns, label, positive, train, test, numeric=(), ignored=(), separator=","):
    return Table(name, separator, columns, label, positive, frozenset(numeric), frozenset(ignored), train, test)


def load_adult(directory):
    parts = []
    for name in ("adult.data.csv.gz", "adult.test.csv.gz"):
        rows = [[field.strip() for field in line.split(",")] for line in read_lines(directory, name)]
        rows = [row[:-1] + [row[-1].rstrip(".")] for row in rows if len(row) == len(ADULT_COLUMNS)]
        parts.append(rows)
    numeric = ["age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
    return table("adult", ADULT_COLUMNS, "income", ">50K", *parts, numeric)


def load_headed(directory, file_name):
    lines = read_lines(directory, file_name)
    return lines[0].split(","), [line.split(",") for line in lines[1:]]


def load_amazon(directory):
    columns, rows = load_headed(directory, "amazon_access_train.csv.gz")
    return table("amazon_access", columns, "ACTION", "1", *fifth(rows))


def load_avazu(directory):
    columns, train = load_headed(directory, "avazu_raw_train.csv.gz")
    test = []
    for name in ("avazu_raw_dev.csv.gz", "avazu_raw_test.csv.gz"):
        test += [line.split(",") for line in read_lines(directory, name) if not line.startswith("id,")]
    return table("avazu", columns, "click", "1", train, test, ignored=["id"])


def load_criteo_raw(directory):
    rows = [line.split("\t") for line in read_lines(directory, "criteo_raw_8k.tsv.gz")]
    return table("criteo_raw_8k", CRITEO_COLUMNS, "label", "1", *fifth(rows), CRITEO_COLUMNS[1:14],
                 separator="\t")


def load_telco(directory):
    columns, rows = load_headed(directory, "telco_churn.csv.gz")
    rows = [[field.strip() for field in row] for row in rows]
    return table("telco_churn", columns, "Churn", "Yes", *fifth(rows),
                 ["tenure", "MonthlyCharges", "TotalCharges", "SeniorCitizen"], ["customerID"])


def load_shoppers(directory):
    columns, rows = load_headed(directory, "online_shoppers.csv.gz")
    return table("online_shoppers", columns, "Revenue", "TRUE", *fifth(rows), SHOPPERS_NUMERIC)


def load_a9a(directory):
    return Sparse("a9a", *fifth(read_lines(directory, "a9a_train.svm.gz")))


def load_frappe(directory):
    return Sparse("frappe", read_lines(directory, "frappe_validation.svm.gz"),
                  read_lines(directory, "frappe_test.svm.gz"))


def load_criteo_dac80k(directory):
    lines = read_lines(directory, "criteo_dac80k_vwhash.svm.gz")
    return Sparse("criteo_dac80k", lines[:64_000], lines[64_000:])


LOADERS = {"adult": load_adult, "a9a": load_a9a, "amazon_access": load_amazon, "avazu": load_avazu,
           "criteo_raw_8k": load_criteo_raw, "telco_churn": load_telco, "online_shoppers": load_shoppers,
           "frappe": load_frappe, "criteo_dac80k": load_criteo_dac80k}


def load(name, directory):
    """The set, or None when the directory does not hold its files."""
    try:
        return LOADERS[name](directory)
    except FileNotFoundError:
        return None

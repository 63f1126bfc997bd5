"""Who works at the demo organisation, what it values, and what its people thank each other for."""

from __future__ import annotations

from typing import NamedTuple

from shared.identity import Role

ORGANISATION = "Acme Robotics"
DOMAIN = "demo.test"
SETTINGS = {
    "name": ORGANISATION,
    "contact_email": f"office@{DOMAIN}",
    "hi5_limit": 12,
    "hi5_quota_renewal_frequency": "MONTHLY",
    "timezone": "Europe/Berlin",
    "recognition_hi5_cost": 0,
}


class Colleague(NamedTuple):
    """Somebody of the demo organisation."""

    address: str
    first_name: str
    last_name: str
    role: Role = Role.EMPLOYEE

    @property
    def email(self) -> str:
        return f"{self.address}@{DOMAIN}"


ADMIN = Colleague("admin", "Ada", "Keller", Role.ORGANISATION_ADMIN)
MODERATOR = Colleague("moderator", "Tomás", "Herrera", Role.MODERATOR)
EMPLOYEE = Colleague("emma", "Emma", "Lindqvist")
COLLEAGUES = (
    ADMIN,
    MODERATOR,
    EMPLOYEE,
    Colleague("jonas.weber", "Jonas", "Weber"),
    Colleague("aisha.rahman", "Aisha", "Rahman"),
    Colleague("mateo.silva", "Mateo", "Silva"),
    Colleague("yuki.tanaka", "Yuki", "Tanaka"),
    Colleague("priya.nair", "Priya", "Nair"),
    Colleague("lukasz.nowak", "Łukasz", "Nowak"),
    Colleague("chloe.martin", "Chloé", "Martin"),
    Colleague("daniel.okafor", "Daniel", "Okafor"),
    Colleague("ines.duarte", "Inês", "Duarte"),
    Colleague("noah.schmidt", "Noah", "Schmidt"),
    Colleague("fatima.zahra", "Fatima", "Zahra"),
    Colleague("oliver.brown", "Oliver", "Brown"),
    Colleague("mei.chen", "Mei", "Chen"),
    Colleague("sofia.rossi", "Sofia", "Rossi"),
    Colleague("viktor.petrov", "Viktor", "Petrov"),
    Colleague("leila.haddad", "Leila", "Haddad"),
    Colleague("henrik.berg", "Henrik", "Berg"),
    Colleague("grace.mensah", "Grace", "Mensah"),
    Colleague("pavel.dvorak", "Pavel", "Dvořák"),
    Colleague("anika.gupta", "Anika", "Gupta"),
    Colleague("samuel.jansen", "Samuel", "Jansen"),
    Colleague("zoe.papadakis", "Zoë", "Papadakis"),
)


class Value(NamedTuple):
    """A core value, the text of the one above it, and what people write under it."""

    text: str
    description: str
    parent: str | None
    thanks: tuple[str, ...]


VALUES = (
    Value(
        "Customers first",
        "We measure ourselves by what our work changes for the people who use it.",
        None,
        (
            "You stayed on the line until the arm was calibrated again. The customer wrote to say thank you twice.",
            "The way you explained the delay to the plant in Graz kept their trust, and ours in you.",
        ),
    ),
    Value(
        "Listen before building",
        "Nobody knows the work better than those who do it every day.",
        "Customers first",
        (
            "Two days on the shop floor before the first line of code: the new gripper menu fits like a glove.",
            "Your notes from the customer visit saved us from building the wrong thing.",
        ),
    ),
    Value(
        "Answer within the day",
        "A short honest answer today is worth more than a perfect one next week.",
        "Listen before building",
        (
            "Every support request of Friday had an answer before the weekend. Impressive!",
            "You told them openly that we do not know yet, and called back when we did.",
        ),
    ),
    Value(
        "Build to last",
        "We hand over what we would like to be woken up for at night: rarely, and with a good manual.",
        None,
        (
            "Your bearing redesign has run for a thousand hours without a single alarm.",
            "Thank you for not accepting the quick fix on the conveyor. It would have come back.",
        ),
    ),
    Value(
        "Test it for real",
        "A thing works when it has worked in the dust, the cold and the hands of others.",
        "Build to last",
        (
            "You found the race in the emergency stop before anybody else did. That was a great catch.",
            "The night in the cold chamber was worth it: the battery curve is right now.",
        ),
    ),
    Value(
        "Leave it tidier",
        "Whoever touches a thing leaves it better than they found it.",
        "Build to last",
        (
            "The tool wall is sorted, labelled and complete. It feels like a new workshop.",
            "You removed more code than you wrote this week, and everything is faster.",
        ),
    ),
    Value(
        "Write it down",
        "What is only in one head is lost on holiday.",
        "Leave it tidier",
        (
            "Your page on the controller's start-up answered all my questions on my first day.",
            "Thanks to your checklist the handover took an hour instead of a week.",
        ),
    ),
    Value(
        "Win together",
        "Nobody here succeeds alone, and nobody fails alone.",
        None,
        (
            "You dropped everything to help us with the trade fair stand. We could not have made it without you.",
            "Great teamwork with the electronics people on the new wiring!",
        ),
    ),
    Value(
        "Share what you know",
        "Teaching is the fastest way to learn.",
        "Win together",
        (
            "Your lunch talk on kinematics was the clearest I have ever heard.",
            "Thank you for pairing with me on the firmware. I learned more than in a month of reading.",
        ),
    ),
    Value(
        "Speak up early",
        "Bad news does not get better with age.",
        "Win together",
        (
            "You said in the first meeting what the rest of us only dared to think. It saved the schedule.",
            "Thank you for raising the supplier risk before it was one.",
        ),
    ),
    Value(
        "Stay curious",
        "The next good idea is behind a question that nobody has asked yet.",
        None,
        (
            "The weekend experiment with the soft gripper turned into our next product.",
            "I love how you ask why until we know it too.",
        ),
    ),
    Value(
        "Learn from what breaks",
        "A failure that is understood is an asset.",
        "Stay curious",
        (
            "The post-mortem you wrote was honest, kind and useful.",
            "You took the broken gearbox apart until the cause was on the table, literally.",
        ),
    ),
)

OPENINGS = ("", "", "", "Hi5! ", "Thank you! ", "Big thanks: ", "Wow. ", "Once more: ")
COMMENTS = (None, None, None, "So true!", "Well deserved", "I was there, it was great", "+1", "Thank you from me too")

HARSH = "It was about time that you got something done for once."
OUT_OF_PLACE = "The coffee machine and I thank you for the new beans."
DISPUTED = "Thanks for taking over the whole release on your own."
REPORTED = (HARSH, OUT_OF_PLACE, DISPUTED)

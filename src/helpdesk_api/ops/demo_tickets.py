"""The tickets of the demo tenant: in every state, of every age, some kept and some late."""

from typing import Final

from helpdesk_api.domain.workflow import Status
from helpdesk_api.ops.demo_data import (
    ADA,
    BRUNO,
    CARLA,
    DAIRY,
    DESK,
    DINO,
    ELENA,
    FIELD,
    FREIGHT,
    HOSPITAL,
    HOTELS,
    NETWORK,
    STUDIO,
)
from helpdesk_api.ops.demo_story import Became, Given, Noted, Said, Story, story

_GIULIA, _PAOLO = "Giulia Romano", "Paolo Greco"
_LUCA, _MARTA = "Luca Ferri", "Marta Colombo"
_STEFANO, _IRENE, _DOCK = "Stefano Gallo", "Irene Costa", "Dock office"
_CHIARA, _NIGHT = "Chiara De Luca", "Night desk Ostia"
_ROBERTO = "Roberto Conti"

_OPEN, _PENDING, _ON_HOLD = Status.OPEN, Status.PENDING, Status.ON_HOLD
_SOLVED, _CLOSED = Status.SOLVED, Status.CLOSED

STORIES: Final[tuple[Story, ...]] = (
    story(
        88, DAIRY, _LUCA, "Replace the label printer at dock 3", "It jams once an hour. It is nine years old.",
        Given(87.5, CARLA),
        Said(87.3, CARLA, "The new one is ordered and comes with the next round."),
        Noted(80, CARLA, "Same model as at dock 1, so the labels need no change."),
        Said(64, CARLA, "It is installed and printed the first hundred labels."),
        Became(64, _SOLVED), Became(40, _CLOSED),
        team=FIELD, type="service_request", priority="low", channel="email", tags=["printer", "dock-3"],
    ),
    story(
        82, STUDIO, _ROBERTO, "How do I share a calendar with a client?", "Only our free and busy times, please.",
        Said(80.5, ADA, "Right-click the calendar, Share, and choose 'Free and busy only'."),
        Said(79, _ROBERTO, "Perfect, thank you."),
        Became(78, _SOLVED), Became(50, _CLOSED),
        team=DESK, type="question", priority="low", channel="email", tags=["mail"],
    ),
    story(
        77, FREIGHT, _STEFANO, "Scanners lose the wireless network in hall B", "Four of twelve, since the racks moved.",
        Given(76.8, ELENA),
        Said(76.5, ELENA, "The racks now stand between two access points. I will come and measure."),
        Became(76, _ON_HOLD),
        Became(66, _OPEN),
        Said(60, ELENA, "One access point was moved and one added. Please tell us how the night shift fares."),
        Said(57, _STEFANO, "Not one drop this night."),
        Became(56, _SOLVED), Became(30, _CLOSED),
        team=NETWORK, priority="high", channel="phone", tags=["hall-b", "wireless"],
    ),
    story(
        70, HOTELS, _CHIARA, "Key cards of the east wing stop working", "Guests have to come back to the desk daily.",
        Given(69, DINO),
        Said(63.5, DINO, "The encoder was one day behind. I have set its clock."),
        Became(63, _SOLVED),
        Said(52, _CHIARA, "It has started again, with new cards too."),
        Said(51, DINO, "Then its battery is dead and the clock with it. A new encoder is on its way."),
        Became(41, _SOLVED), Became(18, _CLOSED),
        team=FIELD, priority="high", channel="phone", tags=["key-cards"],
    ),
    story(
        61, DAIRY, _MARTA, "New starter in quality control", "Lea Fontana starts on Monday: mail, laptop, door.",
        Given(60.8, BRUNO),
        Said(60.6, BRUNO, "All ordered. Which rooms should her card open?"),
        Became(60.6, _PENDING),
        Said(58, _MARTA, "The laboratory and the cold store."),
        Said(48, BRUNO, "Everything is ready at the reception."),
        Became(48, _SOLVED),
        team=DESK, type="service_request", channel="web", tags=["onboarding"],
    ),
    story(
        55, FREIGHT, _IRENE, "Invoices print without the tax number", "All of last week's have to go out again.",
        Given(54.6, ADA),
        Said(54.5, ADA, "A template was replaced by an update. I am putting it back."),
        Said(50, ADA, "Done; the last forty invoices were printed anew."),
        Became(50, _SOLVED),
        team=DESK, priority="high", channel="email", tags=["invoices"],
    ),
    story(
        50, HOTELS, _NIGHT, "Music in the lobby restarts at midnight", "Loudly.",
        Said(49, BRUNO, "It updates itself at midnight. I have moved that to noon."),
        Became(49, _SOLVED),
        team=DESK, type="incident", priority="low", channel="phone", tags=["lobby"],
    ),
    story(
        58, HOSPITAL, _GIULIA, "Ward 3: the nurse call display is dark", "The bells ring, but no room is shown.",
        Given(57.95, DINO),
        Said(57.9, DINO, "I am on my way and at the east gate in twenty minutes."),
        Said(56.5, DINO, "A loose power supply. The display works; the others were checked as well."),
        Became(56.5, _SOLVED),
        team=FIELD, priority="urgent", channel="phone", tags=["ward-3"], around_the_clock=True,
    ),
    story(
        33, HOSPITAL, _PAOLO, "Pharmacy robot does not take orders", "The queue on the screen grows.",
        Given(32.9, ADA),
        Said(32.3, ADA, "We see it; the interface stopped at the update. The vendor is informed."),
        Became(32, _ON_HOLD),
        Noted(30, ADA, "Vendor's number 88-1204. They promise a corrected interface tonight."),
        Became(26, _OPEN),
        Said(24, ADA, "The corrected interface runs and has worked off the queue."),
        Became(24, _SOLVED),
        team=DESK, priority="high", channel="phone", tags=["pharmacy"], around_the_clock=True,
    ),
    story(
        46, STUDIO, _ROBERTO, "Scanner sends empty pages", "To everybody, since the new toner.",
        Given(45, CARLA),
        Said(43, CARLA, "Could you send us one of those mails as it arrived?"),
        Became(43, _PENDING),
        team=FIELD, channel="email", tags=["scanner"],
    ),
    story(
        44, DAIRY, _LUCA, "Cold store thermometer reports gaps", "Ten minutes are missing now and then.",
        Given(43.6, ELENA),
        Said(43.5, ELENA, "The radio link is weak in frost. I have ordered an antenna."),
        Became(43, _ON_HOLD),
        Noted(36, ELENA, "Antenna comes with the delivery of Thursday."),
        team=NETWORK, priority="high", channel="monitoring", tags=["cold-store", "sensors"],
    ),
    story(
        39, FREIGHT, _STEFANO, "Plan: move the server room to the new hall", "Before the lease of the old hall ends.",
        Given(38.5, ELENA),
        Said(38.2, ELENA, "I will draw up two dates and what each needs."),
        Noted(30, ELENA, "Power for the new hall is promised, cooling is not."),
        team=NETWORK, type="change", priority="normal", channel="email", tags=["move"],
    ),
    story(
        36, HOTELS, _CHIARA, "Television in 214 shows no channels", "The neighbouring rooms are fine.",
        Given(34, DINO),
        Noted(20, DINO, "Cable is good. Bring a spare tuner next time."),
        team=FIELD, priority="low", channel="phone", tags=["television"],
    ),
    story(
        30, STUDIO, _ROBERTO, "Slow since the update", "Opening a drawing takes a minute, it was ten seconds.",
        Given(27, BRUNO),
        Said(26.5, BRUNO, "Is it every drawing, or those on the server only?"),
        Became(26.5, _PENDING),
        Said(22, _ROBERTO, "Only those on the server."),
        Noted(20, BRUNO, "The switch port fell back to 100 Mbit. Network, please."),
        Given(19.5, ELENA),
        team=DESK, priority="high", channel="email", tags=["drawings", "slow"],
    ),
    story(
        25, FREIGHT, _DOCK, "Weighbridge shows 20 kg too much", "Empty, in the mornings.",
        Given(24.6, CARLA),
        Said(24.2, CARLA, "Please sweep under the plate and weigh again."),
        Became(24.2, _PENDING),
        Said(16, _DOCK, "Swept. Still 20 kg."),
        Said(15, CARLA, "Then it must be calibrated; the bureau comes along."),
        team=FIELD, channel="phone", tags=["weighbridge"],
    ),
    story(
        22, DAIRY, _MARTA, "Recurring: certificates of the laboratory scales", "They end next month.",
        Given(21.5, BRUNO),
        Said(21.2, BRUNO, "The laboratory was asked for dates."),
        Became(21, _PENDING),
        team=DESK, type="task", priority="low", channel="api", tags=["certificates"],
    ),
    story(
        17, HOTELS, _CHIARA, "Booking mails arrive twice", "Only from one portal.",
        Given(16, ADA),
        Said(13.5, ADA, "The portal knows two addresses that end in the same mailbox. Which may go?"),
        Became(13.5, _PENDING),
        team=DESK, channel="email", tags=["mail", "booking"],
    ),
    story(
        13, FREIGHT, _IRENE, "Customs portal refuses our certificate", "Two lorries wait.",
        Given(12.9, ADA),
        Said(12.6, ADA, "It has been renewed; the portal takes it from noon on."),
        Said(11, _IRENE, "Both lorries are through. Please make sure of next year."),
        team=DESK, priority="urgent", channel="phone", tags=["customs", "certificates"],
    ),
    story(
        10, DAIRY, _LUCA, "Forklift terminal restarts by itself", "Twice this morning.",
        Given(9.8, CARLA),
        Said(9.6, CARLA, "I bring another terminal along and take this one with me."),
        team=FIELD, priority="high", channel="phone", tags=["forklift"],
    ),
    story(
        8, HOSPITAL, _PAOLO, "Printer in admissions folds every page", "It is still legible.",
        Given(7.5, DINO),
        Said(7.2, DINO, "The fuser is worn. A new one is in the car."),
        team=FIELD, priority="normal", channel="web", tags=["printer"],
    ),
    story(
        6.5, STUDIO, _ROBERTO, "Please set up a guest network", "For clients in the meeting room.",
        Given(5, ELENA),
        team=NETWORK, type="service_request", channel="email", tags=["wireless"],
    ),
    story(
        3.4, HOTELS, _NIGHT, "Safe in 118 does not open", "The guest leaves tomorrow.",
        team=FIELD, priority="high", channel="phone", tags=["safe"],
    ),
    story(
        2.2, HOSPITAL, _GIULIA, "Tablets on ward 4 cannot sign in", "Six of them, since the shift changed.",
        Given(2.1, BRUNO),
        Said(2, BRUNO, "The sign-in service answers again for two of them; I am looking at the others."),
        team=DESK, priority="high", channel="phone", tags=["ward-4", "sign-in"], around_the_clock=True,
    ),
    story(
        0.85, DAIRY, _MARTA, "Mailbox of the orders desk is full", "Orders are being returned.",
        team=DESK, priority="high", channel="email", tags=["mail"],
    ),
    story(
        0.5, FREIGHT, _DOCK, "Second screen for the dock office", "The old one is good enough.",
        team=FIELD, type="service_request", priority="low", channel="web",
    ),
    story(
        0.1, HOSPITAL, _GIULIA, "Lift display on ward 3 shows the wrong floor", "Visitors get lost.",
        team=FIELD, priority="normal", channel="phone", tags=["ward-3"],
    ),
)  # fmt: skip

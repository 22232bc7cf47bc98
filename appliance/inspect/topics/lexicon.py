"""Words by which subjects are told, in English, German, French and Spanish.

Rules: a word counts once for a text, however often it stands there; `STRONG` ones are the language of the subject's own
papers and count three times; single words are folded, phrases are two or three words with single blanks. The lists are
our own, made from the terms that each trade uses for its documents.
"""

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.replace("\n", ",").split(",") if part.strip())


STRONG: Final[dict[str, tuple[str, ...]]] = {
    "LEGAL": _words(
        """
        non-disclosure agreement, confidentiality agreement, governing law, indemnification, indemnify,
        plaintiff, defendant, deposition, subpoena, litigation hold, attorney-client, force majeure,
        hereinafter, herein, thereof, breach of contract, limitation of liability, severability, statute of
        limitations, power of attorney, settlement agreement, cease and desist, vertragsstrafe,
        geheimhaltungsvereinbarung, gerichtsstand, klageschrift, schiedsgericht, haftungsausschluss,
        assignation, clause de confidentialité, droit applicable, demandeur, cláusula, demandante, acuerdo
        de confidencialidad, ley aplicable
        """
    ),
    "FINANCIAL": _words(
        """
        balance sheet, income statement, cash flow, ebitda, accounts receivable, accounts payable, general
        ledger, quarterly earnings, gross margin, net income, term sheet, cap table, due diligence, fiscal
        year, forecast revenue, working capital, capital expenditure, profit and loss, audit report,
        bilanzsumme, gewinn- und verlustrechnung, jahresabschluss, umsatzerlöse, kassenfluss, bilan
        comptable, chiffre d'affaires, compte de résultat, trésorerie, balance general, estado de
        resultados, flujo de caja
        """
    ),
    "HR": _words(
        """
        performance review, performance improvement plan, annual salary, base salary, severance, job offer,
        offer letter, notice period, disciplinary action, employment contract, payroll, sick leave, parental
        leave, exit interview, employee id, gehaltsabrechnung, abmahnung, arbeitsvertrag, kündigungsfrist,
        mitarbeitergespräch, personalakte, krankmeldung, bulletin de paie, contrat de travail, entretien
        annuel, licenciement, nómina, contrato de trabajo, despido
        """
    ),
    "HEALTH": _words(
        """
        medical history, discharge summary, blood pressure, diagnosed with, chief complaint, differential
        diagnosis, prescribed, dosage, biopsy, oncology, metastatic, hypertension, diabetes mellitus, mri
        scan, patient presents, lab results, icd-10, hiv positive, anamnese, arztbrief, befund, diagnose,
        blutdruck, krankengeschichte, entlassungsbrief, antécédents médicaux, ordonnance, dossier médical,
        historia clínica, diagnóstico, receta médica
        """
    ),
    "CUSTOMER_DATA": _words(
        """
        customer list, customer id, account number, customer since, churn, client list, crm export, purchase
        history, support ticket, order history, customer records, customer database, loyalty number,
        kundennummer, kundenliste, kundendaten, bestellhistorie, liste des clients, numéro client, fichier
        client, lista de clientes, número de cliente
        """
    ),
    "PERSONAL_DATA": _words(
        """
        date of birth, place of birth, passport number, social security number, national id, home address,
        marital status, mother's maiden name, driver's license number, next of kin, geburtsdatum,
        geburtsort, personalausweis, steueridentifikationsnummer, wohnanschrift, date de naissance, lieu de
        naissance, numéro de sécurité sociale, fecha de nacimiento, lugar de nacimiento, documento nacional
        de identidad
        """
    ),
    "CREDENTIALS": _words(
        """
        access token, api key, private key, client secret, connection string, login credentials, admin
        password, root password, ssh key, service account, zugangsdaten, kennwort, mot de passe, contraseña,
        password is, username and password
        """
    ),
}
WEAK: Final[dict[str, tuple[str, ...]]] = {
    "LEGAL": _words(
        """
        contract, clause, liability, lawsuit, court, jurisdiction, lawyer, attorney, counsel, warranty,
        licensor, licensee, arbitration, compliance, statute, vertrag, klausel, anwalt, gericht, haftung,
        contrat, avocat, tribunal, juridique, contrato, abogado
        """
    ),
    "FINANCIAL": _words(
        """
        revenue, invoice, budget, expenses, profit, liabilities, assets, dividend, shareholder, valuation,
        loan, equity, depreciation, forecast, quarter, rechnung, umsatz, gewinn, verbindlichkeiten,
        aktionär, darlehen, facture, bénéfice, actionnaire, factura, ingresos, beneficio
        """
    ),
    "HR": _words(
        """
        employee, salary, hiring, candidate, recruiter, resignation, termination, promotion, bonus,
        vacation, workforce, onboarding, mitarbeiter, gehalt, bewerber, kündigung, urlaub, salarié, salaire,
        embauche, empleado, salario
        """
    ),
    "HEALTH": _words(
        """
        patient, diagnosis, symptoms, treatment, medication, therapy, surgery, clinic, hospital, physician,
        chronic, disease, doctor, tumor, allergy, patientin, behandlung, medikament, krankheit, arzt,
        maladie, traitement, médicament, paciente, tratamiento, enfermedad
        """
    ),
    "CUSTOMER_DATA": _words(
        """
        customer, customers, client, clients, subscriber, subscription, orders, refund, complaint, accounts,
        kunde, kunden, bestellung, abonnent, commande, abonné, cliente, clientes, pedido
        """
    ),
    "PERSONAL_DATA": _words(
        """
        birthday, passport, nationality, gender, citizenship, widowed, married, divorced, ausweis,
        staatsangehörigkeit, ledig, verheiratet, passeport, nationalité, célibataire, pasaporte,
        nacionalidad, soltero
        """
    ),
    "CREDENTIALS": _words("password, credentials, passphrase, secret, token, login, passwort, zugang, identifiants"),
}
USES: Final[dict[str, tuple[str, ...]]] = {
    "USE_CODING": _words(
        """
        function, code, bug, compile, refactor, unit test, stack trace, traceback, python, javascript,
        typescript, sql, regex, api, docker, kubernetes, git, repository, debug, exception, class,
        implement, endpoint, script
        """
    ),
    "USE_WRITING": _words(
        """
        write, draft, rewrite, rephrase, proofread, essay, blog, article, story, poem, tone, paragraph,
        headline, slogan, schreibe, formuliere, entwurf, rédige, reformule, escribe, redacta
        """
    ),
    "USE_TRANSLATION": _words(
        """
        translate, translation, into english, into german, into french, into spanish, übersetze,
        übersetzung, traduis, traduire, traduce, traducir, traducción
        """
    ),
    "USE_SUMMARY": _words(
        """
        summarize, summarise, summary, key points, bullet points, tl;dr, minutes, zusammenfassung, fasse
        zusammen, résume, résumé, resume, resumen
        """
    ),
    "USE_ANALYSIS": _words(
        """
        analyze, analyse, analysis, compare, trend, forecast, dataset, spreadsheet, chart, correlation,
        statistics, pivot, analysiere, vergleiche, compare, analiza
        """
    ),
    "USE_SUPPORT": _words(
        """
        reply to this customer, customer email, apologize, refund, ticket, complaint, respond to, polite
        answer, kundenanfrage, antworte, réponds, responde
        """
    ),
    "USE_EXTRACTION": _words(
        """
        extract, json, fields, table, parse, classify, label, categories, schema, entities, extrahiere,
        extrais, extrae
        """
    ),
    "USE_QUESTION": _words(
        "what is, who is, how do, how does, why does, when did, explain, define, difference between"
    ),
}
